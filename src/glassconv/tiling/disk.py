"""disk: arrays in files, opened by path wherever a tile is computed.

`.npy` and `.zarr` hold [batch, channels, *size]. A `.tif` holds one image, as [height, width],
[height, width, channels] or [channels, height, width], which is a batch of one. The chunks of an
output in `.zarr` are the tiles: no two tiles share one. An output in `.npy` or `.tif` is one piece,
of its full size from the beginning: in `.tif` planes without compression.
"""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from glassconv.errors import DataError, MissingExtraError
from glassconv.reports.array import Array

TIFF = (".tif", ".tiff")
AXES = ("YXS", "YX", "SYX", "CYX")  # of a TIFF file, as tifffile names them


class Stored:
    """An array in a file. Sent to another process, it is opened there anew."""

    def __init__(self, path: Path, writable: bool = False) -> None:
        self.path, self.writable = path, writable

    def __reduce__(self) -> tuple[type[Stored], tuple[Path, bool]]:
        return Stored, (self.path, self.writable)

    @cached_property
    def array(self) -> Any:
        """Return the array, which is read and written region by region."""
        return READERS[self.path.suffix](self.path, "r+" if self.writable else "r")

    def flush(self) -> None:
        """Wait until what was written is on the disk; a chunk of zarr's is, once it is written."""
        if isinstance(self.array, np.memmap | _Image):
            self.array.flush()


def stored(path: Path) -> Stored:
    """Return the array of an input file; raises `DataError` for one that cannot be read."""
    if path.suffix not in READERS:
        known = ", ".join(READERS)
        raise DataError(f"an array is read from {known}, not from {path.name!r}")
    found = Stored(path)
    try:
        _ = found.array
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"it cannot be read: {reason}", request=str(path)) from None
    return found


def check_output(path: Path, shape: Sequence[int] | None = None) -> None:
    """Raise `DataError` for an output that no file of this format holds. shape: if it is known."""
    if path.suffix not in READERS:
        known = ", ".join(READERS)
        raise DataError(f"an output is written to {known}, not to {path.name!r}")
    if path.suffix in TIFF and shape is not None and (len(shape) != 4 or shape[0] != 1):
        cause = f"a TIFF holds one image [1, channels, height, width], the output is {list(shape)}"
        raise DataError(f"{cause}: write it to .npy or .zarr", request=str(path))


def create(path: Path, shape: tuple[int, ...], dtype: str, chunks: tuple[int, ...]) -> None:
    """Create the file of an output, with its room on the disk where the format has a fixed size.

    It is there as a whole or not at all. Raises `OSError` where there is no room.
    """
    new = path.with_name(f"{path.stem}.new{path.suffix}")
    try:
        CREATORS[path.suffix](new, shape, dtype, chunks)
        if new.is_file():
            with new.open("r+b") as file:  # a map that finds no room would end the process
                os.posix_fallocate(file.fileno(), 0, new.stat().st_size)
    except OSError:
        if new.is_dir():
            shutil.rmtree(new)
        new.unlink(missing_ok=True)
        raise
    new.replace(path)


def _create_npy(path: Path, shape: tuple[int, ...], dtype: str, _: tuple[int, ...]) -> None:
    np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _create_zarr(path: Path, shape: tuple[int, ...], dtype: str, chunks: tuple[int, ...]) -> None:
    _zarr().create_array(path, shape=shape, dtype=dtype, chunks=chunks, overwrite=True)


def _create_tiff(path: Path, shape: tuple[int, ...], dtype: str, _: tuple[int, ...]) -> None:
    """Create planes [channels, height, width], each in one strip, so that they can be mapped."""
    planes = shape[1:] if shape[1] > 1 else shape[2:]
    separate = {"planarconfig": "separate"} if shape[1] > 1 else {}
    _tifffile().memmap(path, shape=planes, dtype=dtype, photometric="minisblack", **separate)


def _npy(path: Path, mode: Any) -> Array:
    array: Array = np.load(path, mmap_mode=mode, allow_pickle=False)
    return array


def _zarr_array(path: Path, mode: Any) -> Any:
    return _zarr().open_array(path, mode=mode)


class _Image:
    """An image of a TIFF file as [1, channels, height, width]."""

    def __init__(self, pixels: Any, axes: str) -> None:
        self.pixels, self.axes = pixels, axes
        sizes = dict(zip(axes, pixels.shape, strict=True))
        channels = sizes.get("S", sizes.get("C", 1))
        self.shape = (1, channels, sizes["Y"], sizes["X"])
        self.dtype = pixels.dtype

    def __getitem__(self, region: tuple[slice, ...]) -> Array:
        batch, channel, rows, columns = region
        place = {"Y": rows, "X": columns, "S": channel, "C": channel}
        part: Array = np.asarray(self.pixels[tuple(place[axis] for axis in self.axes)])
        if self.axes == "YXS":
            part = np.moveaxis(part, -1, 0)
        return part.reshape(-1, *part.shape[-2:])[None][batch]

    def __setitem__(self, region: tuple[slice, ...], tile: Array) -> None:
        place = region[1:] if len(self.axes) > 2 else region[2:]
        self.pixels[place] = tile[0] if len(self.axes) > 2 else tile[0, 0]

    def flush(self) -> None:
        self.pixels.flush()


def _tiff(path: Path, mode: str) -> _Image:
    if mode == "r+":  # made by `create`
        planes = _tifffile().memmap(path, mode=mode)
        return _Image(planes, "CYX" if planes.ndim > 2 else "YX")
    file = _tifffile().TiffFile(path)
    axes = file.series[0].axes
    if axes not in AXES:
        file.close()
        raise ValueError(f"its axes are {axes}, and {', '.join(AXES)} can be read")
    pixels = _zarr().open_array(file.series[0].aszarr(level=0), mode=mode)
    image = _Image(pixels, axes)
    weakref.finalize(image, file.close)
    return image


def _tifffile() -> Any:
    try:
        import tifffile
    except ImportError:
        raise _missing("tifffile") from None
    return tifffile


def _zarr() -> Any:
    try:
        import zarr
    except ImportError:
        raise _missing("zarr") from None
    return zarr


def _missing(library: str) -> MissingExtraError:
    return MissingExtraError(f"{library} is not installed: pip install 'glassconv[dask]'")


READERS: Mapping[str, Callable[[Path, str], Any]] = {
    ".npy": _npy,
    ".zarr": _zarr_array,
    **dict.fromkeys(TIFF, _tiff),
}
CREATORS: Mapping[str, Callable[[Path, tuple[int, ...], str, tuple[int, ...]], None]] = {
    ".npy": _create_npy,
    ".zarr": _create_zarr,
    **dict.fromkeys(TIFF, _create_tiff),
}
