"""disk: arrays in files, opened by path wherever a tile is computed.

`.npy` and `.zarr` hold [batch, channels, *size]. A `.tif` holds an image, [height, width, channels]
or [height, width], which is read as a batch of one. The output is a `.npy` or a `.zarr`, whose
chunks are the tiles: no two tiles share one.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from glassconv.errors import DataError, MissingExtraError
from glassconv.reports.array import Array

TIFF = (".tif", ".tiff")
WRITTEN = (".npy", ".zarr")
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
        if isinstance(self.array, np.memmap):
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


def check_output(path: Path) -> None:
    """Raise `DataError` for an output that would be of another format."""
    if path.suffix not in WRITTEN:
        raise DataError(f"an output is written to .npy or .zarr, not to {path.name!r}")


def create(path: Path, shape: tuple[int, ...], dtype: str, chunks: tuple[int, ...]) -> None:
    """Create the file of an output, with its room on the disk where the format has a fixed size.

    Raises `OSError` where there is no room.
    """
    if path.suffix == ".npy":
        _create_npy(path, shape, dtype)
    else:
        _zarr().create_array(path, shape=shape, dtype=dtype, chunks=chunks, overwrite=True)


def _create_npy(path: Path, shape: tuple[int, ...], dtype: str) -> None:
    """Reserve the disk's blocks: writing to a map of a file that finds none ends the process."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    del array
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _npy(path: Path, mode: Any) -> Array:
    return np.load(path, mmap_mode=mode, allow_pickle=False)  # type: ignore[no-any-return]


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


def _tiff(path: Path, mode: str) -> _Image:
    try:
        import tifffile
    except ImportError:
        raise _missing("tifffile") from None
    file = tifffile.TiffFile(path)
    axes = file.series[0].axes
    if axes not in AXES:
        file.close()
        raise ValueError(f"its axes are {axes}, and {', '.join(AXES)} can be read")
    pixels = _zarr().open_array(file.series[0].aszarr(level=0), mode=mode)
    image = _Image(pixels, axes)
    weakref.finalize(image, file.close)
    return image


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
