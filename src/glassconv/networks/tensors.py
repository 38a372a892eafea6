"""The tensors that a value holds, however it nests them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor


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
