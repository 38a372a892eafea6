"""Validate NumPy arrays and tensors by the same rules, and convert arrays to tensors."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from glassconv.errors import ArgumentTypeError, DtypeError, ShapeError, UnsupportedDtypeError
from glassconv.problem.dtypes import FORMATS
from glassconv.reports.array import Array

A = TypeVar("A", Array, Tensor)


def check_kinds(function: str, arrays: dict[str, Any]) -> None:
    """Raise `ArgumentTypeError` unless all are NumPy arrays or all are tensors."""
    for kind in (Tensor, np.ndarray):
        if all(isinstance(array, kind) for array in arrays.values()):
            return
    kinds = ", ".join(f"{name}: {type(array).__name__}" for name, array in arrays.items())
    cause = "give all NumPy arrays or all tensors"
    raise ArgumentTypeError(cause, request=f"{function}({kinds})")


def check_axes(function: str, ndim: int, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raise `ShapeError` unless the weight has ndim + 2 axes."""
    if len(shapes["weight"]) == ndim + 2:
        return
    channels = "[out_channels, in_channels / groups"
    if "transpose" in function:
        channels = "[in_channels, out_channels / groups"
    cause = (
        f"the weight must be {channels}, *kernel_size], {ndim + 2} axes, but it has "
        f"{len(shapes['weight'])}"
    )
    described = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    raise ShapeError(cause, request=f"{function}({described})")


def check_dtypes(function: str, shapes: dict[str, tuple[int, ...]], dtypes: dict[str, str]) -> None:
    """Raise `DtypeError` unless all have one element type in which algorithms compute."""
    described = (f"{name} {list(shape)} {dtypes[name]}" for name, shape in shapes.items())
    request = f"{function}({', '.join(described)})"
    if len(set(dtypes.values())) > 1:
        names = " and ".join((", ".join([*dtypes][:-1]), [*dtypes][-1]))
        raise DtypeError(f"{names} must have one element type", request=request)
    if dtypes["input"] not in FORMATS:
        cause = f"no algorithm here computes in {dtypes['input']}; they compute in "
        raise UnsupportedDtypeError(cause + ", ".join(FORMATS), request=request)


def dtype_name(array: Array | Tensor) -> str:
    """Return the element type's name, the same for NumPy and PyTorch."""
    return array.dtype.name if isinstance(array, np.ndarray) else torch_dtype_name(array.dtype)


def torch_dtype_name(dtype: torch.dtype) -> str:
    """Return the name of PyTorch's element type.

    >>> torch_dtype_name(torch.float32)
    'float32'
    """
    return str(dtype)[len("torch.") :]


def as_tensor(array: Array | Tensor) -> Tensor:
    """Return a tensor that shares the array's memory, or a copy.

    It copies if the strides are unsupported, the array is read-only, or its byte order not native.
    """
    if isinstance(array, Tensor):
        return array
    odd_strides = any(stride < 0 or stride % array.itemsize for stride in array.strides)
    if odd_strides or not array.flags.writeable or not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(array)
