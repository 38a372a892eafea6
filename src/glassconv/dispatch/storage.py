"""Storages: whether the memory that a tensor's shape and strides reach is there.

A storage can be resized under its tensors. FSDP and offloading resize it to 0 bytes while a weight
is not needed. PyTorch itself detects a storage of 0 bytes, but reads past the end of one that is
only too small. A kernel is given an address, so it would do so in both cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import Parameter

from glassconv.errors import StorageError


def is_stored(tensor: Tensor) -> bool:
    """Return whether the storage of a strided tensor holds every element of the tensor.

    >>> tensor = torch.ones(2, 3)
    >>> is_stored(tensor)
    True
    >>> _ = tensor.untyped_storage().resize_(8)
    >>> is_stored(tensor)
    False
    """
    return tensor.untyped_storage().nbytes() >= _bytes_needed(tensor)


def check_storage(function: str, arrays: Mapping[str, Tensor]) -> None:
    """Raise `StorageError` where elements of a CPU tensor are outside its storage.

    Zero tensors and the tensors of other devices, subclasses and transforms are left to PyTorch.
    """
    for name, tensor in arrays.items():
        if type(tensor) not in (Tensor, Parameter) or not tensor.is_cpu:
            continue
        if tensor.layout is not torch.strided or tensor._is_zerotensor():
            continue
        try:
            held = tensor.untyped_storage().nbytes()
        except (NotImplementedError, RuntimeError):  # a wrapper of torch.func has no storage
            continue
        needed = _bytes_needed(tensor)
        if held < needed:
            cause = (
                f"the {name}'s memory is not there: its shape {list(tensor.shape)} and strides "
                f"{list(tensor.stride())} need {needed:,} bytes, and its storage has {held:,}; was "
                "it freed, as FSDP and offloading do?"
            )
            raise StorageError(cause, request=function)


def _bytes_needed(tensor: Tensor) -> int:
    elements = _elements_spanned(tensor.shape, tensor.stride())
    return int(tensor.storage_offset() + elements) * tensor.itemsize if elements else 0


@lru_cache(maxsize=1024)
def _elements_spanned(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Return the distance in elements from the first to behind the last; 0 if there are none."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
