"""arrays: what tiles are read from and written to, whatever library holds it.

Tensors, NumPy arrays and memory maps, and zarr arrays are indexed alike. A tile that is read is a
tensor of its own; only a tensor's tile shares its memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from glassconv.codegen.pages import give_back_memory
from glassconv.errors import ArgumentError, ArgumentTypeError, DtypeError, ShapeError
from glassconv.reports.array import Array
from glassconv.tiling.program import Program
from glassconv.tiling.regions import Region, slices

REQUEST = "tile"


def is_of(library: str, array: object) -> bool:
    """Return whether an array is of a library, which need not be imported."""
    return any(kind.__module__.partition(".")[0] == library for kind in type(array).__mro__)


def dtype_of(array: Any) -> torch.dtype:
    """Return an array's element type; raises `ArgumentTypeError` for what is no array."""
    if isinstance(array, Tensor):
        return array.dtype
    if isinstance(array, np.ndarray) or is_of("zarr", array) or is_of("dask", array):
        return element_type(array.dtype)
    kinds = "a tensor, a NumPy array, a zarr array or a dask array"
    cause = f"x must be {kinds}, got {type(array).__name__}"
    raise ArgumentTypeError(cause, request=REQUEST)


def element_type(dtype: npt.DTypeLike) -> torch.dtype:
    """Return PyTorch's element type of one of NumPy's; raises `DtypeError` where it has none."""
    native = np.dtype(dtype).newbyteorder("=")
    try:
        return torch.from_numpy(np.empty(0, native)).dtype
    except TypeError:
        cause = f"PyTorch has no element type {dtype}"
        raise DtypeError(cause, request=REQUEST) from None


def read(array: Any, region: Region) -> Tensor:
    """Return a region of an array as a tensor; what reading took beside it is given back."""
    part = array[slices(region)]
    if isinstance(part, Tensor):
        return part.detach()
    tile = to_tensor(np.asarray(part))
    del part
    give_back_memory()
    return tile


def to_tensor(part: Array) -> Tensor:
    """Return a copy of an array in this machine's byte order."""
    return torch.from_numpy(np.array(part, part.dtype.newbyteorder("="), order="C"))


def write(array: Any, region: Region, tile: Tensor) -> None:
    """Write a tile to its region of an array."""
    array[slices(region)] = tile if isinstance(array, Tensor) else tile.numpy()


def output_for(x: Any, out: Any, program: Program) -> Any:
    """Return the array that the output is written to: `out`, or a new one of the kind of x.

    Raises `ShapeError` or `DtypeError` for an `out` that is not the output's, `ArgumentError` for
    none where x is on disk.
    """
    shape, dtype = program.output_shape, program.output_dtype
    if out is None:
        if isinstance(x, np.memmap) or is_of("zarr", x):
            cause = "x is on disk: give the array to write to as out="
            raise ArgumentError(cause, request=program.request)
        output = torch.empty(shape, dtype=dtype)
        return output if isinstance(x, Tensor) else output.numpy()
    if tuple(out.shape) != shape:
        cause = f"the output has shape {list(shape)}, out has {list(out.shape)}"
        raise ShapeError(cause, request=program.request)
    if dtype_of(out) != dtype:
        cause = f"the output has element type {dtype}, out has {dtype_of(out)}"
        raise DtypeError(cause, request=program.request)
    return out
