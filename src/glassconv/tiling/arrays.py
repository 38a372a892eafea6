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


def dtype_of(array: Any, name: str = "x") -> torch.dtype:
    """Return an array's element type; raises `ArgumentTypeError` for what is no array."""
    if isinstance(array, Tensor):
        if array.device.type != "cpu" or array.layout != torch.strided:
            cause = f"{name} must be dense and on the CPU, got {array.layout} on {array.device}"
            raise ArgumentTypeError(cause, request=REQUEST)
        return array.dtype
    if isinstance(array, np.ndarray) or is_of("zarr", array) or is_of("dask", array):
        return element_type(array.dtype)
    kinds = "a tensor, a NumPy array, a zarr array or a dask array"
    cause = f"{name} must be {kinds}, got {type(array).__name__}"
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


def numpy_dtype(program: Program) -> np.dtype[Any]:
    """Return NumPy's element type of an output; raises `DtypeError` where it has none."""
    try:
        return torch.empty(0, dtype=program.output_dtype).numpy().dtype
    except TypeError:
        cause = f"NumPy has no {program.output_dtype}, which the output has: give a tensor"
        raise DtypeError(cause, request=program.request) from None


def output_for(x: Any, out: Any, program: Program) -> Any:
    """Return the array that the output is written to: `out`, or a new one of the kind of x.

    Raises `ShapeError` or `DtypeError` for an `out` that is not the output's, `ArgumentError` for
    one that shares memory with x, or for none where x is on disk.
    """
    shape, dtype = program.output_shape, program.output_dtype
    if out is None:
        if isinstance(x, np.memmap) or is_of("zarr", x):
            cause = "x is on disk: give the array to write to as out="
            raise ArgumentError(cause, request=program.request)
        return torch.empty(shape, dtype=dtype) if isinstance(x, Tensor) else _empty(program)
    found = dtype_of(out, "out")
    if tuple(out.shape) != shape:
        cause = f"the output has shape {list(shape)}, out has {list(out.shape)}"
        raise ShapeError(cause, request=program.request)
    if found != dtype:
        cause = f"the output has element type {dtype}, out has {found}"
        raise DtypeError(cause, request=program.request)
    if _shares_memory(x, out):
        cause = "out shares memory with x, of which later tiles read what earlier ones would write"
        raise ArgumentError(cause, request=program.request)
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ArgumentError("out is read-only", request=program.request)
    return out


def _empty(program: Program) -> Array:
    return np.empty(program.output_shape, numpy_dtype(program))


def _shares_memory(x: Any, out: Any) -> bool:
    if isinstance(x, Tensor) and isinstance(out, Tensor):
        return x.untyped_storage().data_ptr() == out.untyped_storage().data_ptr()
    if isinstance(x, np.ndarray) and isinstance(out, np.ndarray):
        return np.may_share_memory(x, out)
    return x is out
