"""Compared: reports are equal if all they hold is, also where that is an array or NaN."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from glassconv.problem import ConvProblem
from glassconv.problem.transposed import TransposedProblem

HASHED = str | int | ConvProblem | TransposedProblem  # neither NaN nor arrays


class Compared:
    """A report that holds arrays or measured numbers; a dataclass with `eq=False`.

    Arrays are equal if their shapes, element types and numbers are. NaN is equal to NaN.

    >>> from glassconv import trace
    >>> trace("1x4 1@3", "direct") == trace("1x4 1@3", "direct")
    True
    >>> trace("1x4 1@3", "direct") == trace("1x4 1@3", "direct", seed=1)
    False
    """

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return _same_fields(self, other)

    def __hash__(self) -> int:
        values = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return hash((type(self), *(value for value in values if isinstance(value, HASHED))))


def _same(first: Any, second: Any) -> bool:
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray):
        if first.dtype != second.dtype:
            return False
        return np.array_equal(first, second, equal_nan=first.dtype.kind in "fc")
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    if is_dataclass(first):
        return _same_fields(first, second)
    return bool(first == second or (first != first and second != second))  # noqa: PLR0124  # NaN


def _same_fields(first: Any, second: Any) -> bool:
    names = (field.name for field in fields(first) if field.compare)
    return all(_same(getattr(first, name), getattr(second, name)) for name in names)
