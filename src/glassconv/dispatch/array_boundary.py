"""Arguments that are NumPy arrays or tensors: checked alike, computed on as tensors."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from glassconv.errors import ArgumentTypeError, DtypeError, ShapeError
from glassconv.problem.dtypes import FORMATS
from glassconv.reports.array import Array

A = TypeVar("A", Array, Tensor)


def check_arrays(function: str, arrays: dict[str, Any], ndim: int) -> None:
    """Refuse what are not arrays of one kind and one element type, or a weight of other axes."""
    kinds = {name: type(array).__name__ for name, array in arrays.items()}
    request = f"{function}({', '.join(f'{name}: {kind}' for name, kind in kinds.items())})"
    all_numpy = all(isinstance(array, np.ndarray) for array in arrays.values())
    if not all_numpy and not all(isinstance(array, Tensor) for array in arrays.values()):
        raise ArgumentTypeError("give all NumPy arrays or all tensors", request=request)

    dtypes = {name: dtype_name(array) for name, array in arrays.items()}
    shapes = ", ".join(
        f"{name} {list(array.shape)} {dtypes[name]}" for name, array in arrays.items()
    )
    request = f"{function}({shapes})"
    if len(set(dtypes.values())) > 1:
        raise DtypeError("input, weight and bias must have one element type", request=request)
    if dtypes["input"] not in FORMATS:
        cause = f"no algorithm here computes in {dtypes['input']}; they compute in "
        raise DtypeError(cause + ", ".join(FORMATS), request=request)
    if arrays["weight"].ndim != ndim + 2:
        cause = (
            f"the weight must be [out_channels, in_channels / groups, *kernel_size], {ndim + 2} "
            f"axes, but it has {arrays['weight'].ndim}"
        )
        raise ShapeError(cause, request=request)


def dtype_name(array: Array | Tensor) -> str:
    """Return the element type's name, the same for NumPy and PyTorch."""
    return array.dtype.name if isinstance(array, np.ndarray) else str(array.dtype)[len("torch.") :]


def as_tensor(array: Array | Tensor) -> Tensor:
    """Return a tensor on the same memory, copied only where PyTorch cannot take it as it lies."""
    if isinstance(array, Tensor):
        return array
    odd_steps = any(step < 0 or step % array.itemsize for step in array.strides)
    if odd_steps or not array.flags.writeable or not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(array)
