"""Integers that an operator takes as an input: known, or computed when the network runs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

Integers = Sequence[int] | Tensor | int


def integers(values: Integers) -> list[int]:
    """Return integers as a list.

    >>> import torch
    >>> integers(torch.tensor([1, 2])), integers((3,))
    ([1, 2], [3])
    """
    if isinstance(values, Tensor):
        listed: list[int] = values.reshape(-1).tolist()
        return listed
    return list(values) if isinstance(values, Sequence) else [values]
