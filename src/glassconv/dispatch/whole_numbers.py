"""Weights of whole numbers: convolved by plain sums, which are exact where the input is whole too.

Winograd's transforms have fractions, so that its outputs are off by a rounding where a plain sum
of whole numbers below 2²⁴ (float32) is exact. Whether a weight is whole is known when it is packed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from glassconv.dispatch.compiled_call import CompiledCall
    from glassconv.kernels.runtime.packed_weights import DivisiblePacking, Packing


@dataclass(frozen=True)
class RefuseWholeNumbers:
    """The packing of a kernel that does not take weights of whole numbers."""

    pack: Packing

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor | None:
        """Return the packed weight, or None where all of its numbers are whole."""
        return None if is_whole(weight) else self.pack(weight, memory)

    @property
    def elements(self) -> int:
        """Return how many elements the packed weight has."""
        return self.pack.elements

    def of_filters(self, count: int) -> RefuseWholeNumbers:
        """Return the packing of so many filters."""
        return RefuseWholeNumbers(cast("DivisiblePacking", self.pack).of_filters(count))

    def filters(self, weight: Tensor, chosen: slice) -> Tensor:
        """Return some filters of a weight."""
        return cast("DivisiblePacking", self.pack).filters(weight, chosen)


def is_whole(weight: Tensor) -> bool:
    """Return whether all numbers of a weight are whole."""
    first = weight[:1]  # nearly every weight is known by its first filter
    return torch.equal(first, first.round()) and torch.equal(weight, weight.round())


class LateCall:
    """A call that is compiled when it is first used."""

    def __init__(self, compile: Callable[[Tensor, Tensor], CompiledCall]) -> None:
        self.compile = compile
        self.compiled: CompiledCall | None = None

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output."""
        if self.compiled is None:
            self.compiled = self.compile(input, weight)
        return self.compiled(input, weight, bias, residual)


@dataclass(frozen=True)
class UnlessWhole:
    """A call, and another for weights of whole numbers."""

    call: CompiledCall
    whole: LateCall

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output."""
        call = self.whole if is_whole(weight) else self.call
        return call(input, weight, bias, residual)
