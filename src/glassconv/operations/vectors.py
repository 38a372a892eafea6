"""Rows of elements, taken some vectors at a time, and a vector under a mask at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Pointer, Value


@dataclass(frozen=True)
class Vectors:
    """Adjacent vectors of a row: whole ones, or one of which only some lanes are in the row."""

    starts: list[Value]  # of each vector, in elements
    mask: Value | None  # the lanes in the row, None if all are

    def load(self, row: Pointer) -> list[Value]:
        """Return the elements of a row; lanes outside it are zero."""
        if self.mask is None:
            return [row.vector(start) for start in self.starts]
        return [row.masked(self.mask, start) for start in self.starts]

    def store(self, row: Pointer, vectors: Sequence[Value]) -> None:
        """Store the elements of a row, and nothing outside it."""
        for start, elements in zip(self.starts, vectors, strict=True):
            if self.mask is None:
                row[start] = elements
            else:
                row.store_masked(self.mask, elements, start)


def vectors_of(
    code: Code, start: Value | int, stop: Value | int, at_once: int = 1
) -> Iterator[Vectors]:
    """Write what is done with each: for `at_once` vectors, half as many, …, one, and under a mask.

    `start` and `stop` are elements of a row. `at_once` is a power of two.
    """
    lanes, first = code.lanes, code.value(start)
    length = code.value(stop) - first
    counts = [at_once >> halvings for halvings in range(at_once.bit_length())]
    for count in counts:
        end = code.value(stop) - length % (count * lanes)
        with code.loop(first, end, count * lanes) as element:
            yield Vectors([element + place * lanes for place in range(count)], None)
        first = end
    with code.if_(first < stop):
        yield Vectors([first], code.first_lanes(code.value(stop) - first))
