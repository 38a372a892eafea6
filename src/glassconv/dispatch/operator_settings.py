"""The arguments of the operators in graphs of `torch.compile`, beside their tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from glassconv.problem.problem import Arguments

SCHEMA = (
    "SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt[] output_padding, "
    "SymInt groups, bool transposed, str algorithm, str accuracy, str? activation"
)


class Settings(NamedTuple):
    """The arguments in the order of `SCHEMA`."""

    stride: Sequence[int]  # one for each axis, as dilation and output_padding
    padding: Sequence[int]  # one for each axis, or (before, after) for each axis in one list
    dilation: Sequence[int]
    output_padding: Sequence[int]
    groups: int
    transposed: bool
    algorithm: str
    accuracy: str
    activation: str | None

    @property
    def ndim(self) -> int:
        """Return the number of spatial axes."""
        return len(self.stride)

    @property
    def sides(self) -> list[tuple[int, int]] | None:
        """Return the padding (before, after) each axis, None where both are the same."""
        if len(self.padding) == self.ndim:
            return None
        return list(zip(self.padding[::2], self.padding[1::2], strict=True))

    def arguments(self) -> Arguments:
        """Return the arguments of the function in `functional` that this is a call of."""
        return Arguments(
            self.ndim,
            self.transposed,
            tuple(self.stride),
            tuple(self.padding) if self.sides is None else tuple(self.sides),
            tuple(self.dilation),
            self.groups,
            tuple(self.output_padding) if self.transposed else 0,
            self.algorithm,
            self.accuracy,
            self.activation,
        )
