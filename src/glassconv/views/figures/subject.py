"""What a figure is of, in words: the problem as it was asked, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem


@dataclass(frozen=True)
class Subject:
    """A problem with one or two spatial axes, which may be transposed.

    Every figure draws planes [height, width]: a sequence is drawn as a plane of one row, and a
    transposed convolution as the convolution of its zero-inserted input. A subject names places and
    sizes as they were asked: those of a sequence have one number.

    >>> from glassconv.problem.problem import parse_problem
    >>> sequence = Subject(parse_problem("1x8 1@3"))
    >>> sequence.place((0, 4)), sequence.by((1, 3)), sequence.element(2, (0, 4))
    ('4', '3', 'y[2, 4]')
    >>> print(Subject(parse_problem("1x4 1@3 s2 transposed")))
    1x1x4 1@3 s2 p0 transposed, computed as 1x1x7 1@3 s1 p2 on its zero-inserted input
    """

    problem: Problem

    def __str__(self) -> str:
        """Return the shorthand, of a transposed problem also that of the convolution drawn."""
        if not isinstance(self.problem, TransposedProblem):
            return str(self.problem)
        return f"{self.problem}, computed as {self.problem.convolution} on its {self.input_name}"

    @property
    def is_transposed(self) -> bool:
        """Return whether the problem is a transposed convolution."""
        return isinstance(self.problem, TransposedProblem)

    @property
    def input_name(self) -> str:
        """Return the name of the input that is drawn."""
        inserted = self.is_transposed and set(self.problem.stride) != {1}
        return "zero-inserted input" if inserted else "input"

    @property
    def kernel_name(self) -> str:
        """Return the name of the kernel that is drawn."""
        return "flipped kernel" if self.is_transposed else "kernel"

    def place(self, index: Sequence[int]) -> str:
        """Write a place (row, column): without the row in a sequence."""
        return ", ".join(map(str, self._asked(index)))

    def by(self, sizes: Sequence[int]) -> str:
        """Write the size of a plane (rows, columns): without the rows in a sequence."""
        return " × ".join(map(str, self._asked(sizes)))

    def element(self, filter: int, place: Sequence[int]) -> str:
        """Write the name of an output element of a filter."""
        return f"y[{filter}, {self.place(place)}]"

    def _asked(self, values: Sequence[int]) -> Sequence[int]:
        return values[-self.problem.ndim :]
