"""Padding that differs on the two sides of an axis: PyTorch's operators take one size for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor


def sides(padding: object, ndim: int) -> list[tuple[Any, Any]] | None:
    """Return (before, after) for each axis where a padding gives any axis two sizes, else None.

    Sizes may be symbols of a graph that is being traced.

    >>> sides(((1, 2), 3), 2)
    [(1, 2), (3, 3)]
    >>> sides((1, 2), 2)
    """
    if not isinstance(padding, list | tuple) or not any(
        isinstance(entry, list | tuple) for entry in padding
    ):
        return None
    pairs = [
        (entry[0], entry[1]) if isinstance(entry, list | tuple) else (entry, entry)
        for entry in padding
    ]
    return pairs * ndim if len(pairs) == 1 else pairs


def beyond_even(padding: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return by how much each side of each axis has more padding than the other side.

    >>> beyond_even([(1, 3), (2, 2)])
    [(0, 2), (0, 0)]
    """
    return [(before - min(before, after), after - min(before, after)) for before, after in padding]


def pad(input: Tensor, padding: Sequence[tuple[Any, Any]]) -> Tensor:
    """Return the input with zeros (before, after) each of its last axes."""
    innermost_first = [size for pair in reversed(padding) for size in pair]
    return F.pad(input, innermost_first)


def cut(output: Tensor, padding: Sequence[tuple[Any, Any]]) -> Tensor:
    """Return the output without the first and the last elements of each of its last axes."""
    for axis, (before, after) in zip(range(-len(padding), 0), padding, strict=True):
        output = output.narrow(axis, before, output.shape[axis] - before - after)
    return output
