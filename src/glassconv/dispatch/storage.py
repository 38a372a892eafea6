"""Storages: whether the memory that a tensor's shape and strides reach is there.

A storage can be resized under its tensors. FSDP and offloading resize it to 0 bytes while a weight
is not needed. PyTorch itself detects a storage of 0 bytes, but reads past the end of one that is
only too small. A kernel is given an address, so it would do so in both cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from glassconv.errors import StorageError


def are_stored(tensors: Sequence[Tensor], spans: Sequence[int]) -> bool:
    """Return whether the storage of each strided tensor holds all of its elements.

    spans: the `bytes_spanned` of each.

    >>> tensor = torch.ones(2, 3)
    >>> are_stored([tensor], [24])
    True
    >>> _ = tensor.untyped_storage().resize_(8)
    >>> are_stored([tensor], [24])
    False
    """
    for number, tensor in enumerate(tensors):
        end = spans[number]
        if end and tensor.storage_offset():
            end += int(tensor.storage_offset()) * tensor.itemsize
        if tensor.untyped_storage().nbytes() < end:
            return False
    return True


def without_base(output: Tensor) -> Tensor:
    """Return a new output as a tensor of its own where it is a view of one that nothing else uses.

    Autograd lets no operation in place, as `relu_`, change a view that a function written in Python
    returned.

    >>> whole = torch.ones(1, 2)
    >>> whole[0]._is_view(), without_base(whole[0])._is_view()
    (True, False)
    """
    if not output._is_view():
        return output
    storage, offset = output.untyped_storage(), int(output.storage_offset())
    return output.new_empty(0).set_(storage, offset, output.shape, output.stride())


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
    span = bytes_spanned(tensor.shape, tensor.stride(), tensor.dtype)
    return int(tensor.storage_offset()) * tensor.itemsize + span if span else 0


def bytes_spanned(shape: tuple[int, ...], strides: tuple[int, ...], dtype: torch.dtype) -> int:
    """Return the bytes from a tensor's first element to behind its last; 0 if it has none.

    strides: in elements.

    >>> bytes_spanned((2, 3), (4, 1), torch.float32)
    28
    """
    if 0 in shape:
        return 0
    elements = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    return (1 + elements) * dtype.itemsize
