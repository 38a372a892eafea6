"""The tensors that a value holds, however it nests them, and their memory layouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from glassconv.networks.graph import Layout, Value


def tensors_in(value: object) -> Iterator[Tensor]:
    """Yield the tensors in lists, tuples and mappings, in their order.

    >>> import torch
    >>> [each.numel() for each in tensors_in([torch.zeros(2), {"a": torch.zeros(3)}, 1])]
    [2, 3]
    """
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors_in(each)


def dtype_of(value: Value) -> torch.dtype:
    """Return the element type of a value."""
    dtype: torch.dtype = getattr(torch, value.dtype)
    return dtype


def layout_of(tensor: Tensor) -> Layout:
    """Return the memory layout, channels last only where PyTorch's convolution takes it so."""
    if tensor.is_contiguous():
        return "contiguous"
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        inner_first = [tensor.stride(dim) for dim in (1, 3, 2, 0)]
        return "channels_last" if inner_first == sorted(inner_first) else "strided"
    return "strided"
