"""Sizes and addresses a kernel is called with, by name on both sides: Python's and the kernel's."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from glassconv.codegen.ir import INT, POINTER, Code, Pointer, Value

ARRAYS = ("input", "weight", "bias", "output", "workspace", "residual")


class Sizes:
    """A kernel's whole numbers, read by name in the code that is being written."""

    def __init__(self, code: Code, plan: Pointer, names: Sequence[str]) -> None:
        self._words = Pointer(code, plan.raw, INT)
        self.lanes = code.lanes
        self._places = {name: place for place, name in enumerate(names)}

    def __getattr__(self, name: str) -> Value:
        """Return the number of this name."""
        return self._words[self._places[name]]


def addresses(code: Code, arrays: Pointer) -> list[Pointer]:
    """Return the pointers to input, weight, bias, output and workspace."""
    words = Pointer(code, arrays.raw, INT)
    return [
        Pointer(code, code.builder.inttoptr(words[place].raw, POINTER), code.float)
        for place in range(len(ARRAYS) - 1)
    ]


def to_residual(code: Code, arrays: Pointer) -> Value:
    """Return how many bytes it is from an output to its residual, 0 where there is none."""
    words = Pointer(code, arrays.raw, INT)
    return words[ARRAYS.index("residual")] - words[ARRAYS.index("output")]


def packed(names: Sequence[str], values: Mapping[str, int]) -> Any:
    """Return the numbers as the kernel reads them.

    >>> list(packed(["height", "width"], {"width": 3, "height": 2}))
    [2, 3]
    """
    return words(values[name] for name in names)


def words(numbers: Iterable[int]) -> Any:
    """Return whole numbers as an array of 64 bits each."""
    listed = list(numbers)
    return (ctypes.c_int64 * len(listed))(*listed)
