"""Reductions of rows of adjacent elements: sums and maxima, in several accumulators."""

from __future__ import annotations

from collections.abc import Callable

from glassconv.codegen.ir import Code, Value
from glassconv.operations.vectors import Vectors, vectors_of

ACCUMULATORS = 4  # enough to hide the latency of an addition


def reduced(
    code: Code,
    length: Value,
    start: float,
    combine: Callable[[Value, Value], Value],
    elements: Callable[[Vectors], list[Value]],
) -> Value:
    """Return the reduction of a row of `length` elements, in each lane of a vector.

    start: what any number combined with is that number. elements: loads or computes some vectors of
    the row.
    """
    totals = [code.variable(code.constant(start)) for _ in range(ACCUMULATORS)]
    for vectors in vectors_of(code, 0, length, ACCUMULATORS):
        values = elements(vectors)
        if vectors.mask is not None:
            values = [code.select(vectors.mask, value, code.constant(start)) for value in values]
        for total, value in zip(totals, values, strict=False):
            total.set(combine(total.get(), value))
    first, second, third, fourth = (total.get() for total in totals)
    reduction = combine(combine(first, second), combine(third, fourth))
    distance = 1
    while distance < code.lanes:
        across = [lane ^ distance for lane in range(code.lanes)]
        reduction = combine(reduction, code.shuffle(reduction, reduction, across))
        distance *= 2
    return reduction


def sum_of(code: Code, length: Value, elements: Callable[[Vectors], list[Value]]) -> Value:
    """Return the sum of a row, in each lane; `roundings_of_sum` bounds its error."""
    return reduced(code, length, 0.0, lambda total, x: total + x, elements)


def roundings_of_sum(length: int, lanes: int) -> int:
    """Return through how many additions an element goes at most, n of |error| ≤ γₙ · Σ|x|.

    A lane of the first accumulator adds one element of every ACCUMULATORS vectors, and at the end
    of the row up to as many more. Then 2 additions join four accumulators, and log₂(lanes) lanes.

    >>> roundings_of_sum(768, lanes=16)
    22
    """
    in_a_lane = length // (ACCUMULATORS * lanes) + ACCUMULATORS
    return in_a_lane + 2 + lanes.bit_length() - 1
