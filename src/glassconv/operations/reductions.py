"""Reductions of rows of adjacent elements: sums and maxima, in several accumulators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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
    (reduction,) = _reduced_together(code, length, start, combine, lambda v: [elements(v)], 1)
    return reduction


def _reduced_together(
    code: Code,
    length: Value,
    start: float,
    combine: Callable[[Value, Value], Value],
    elements: Callable[[Vectors], Sequence[Iterable[Value]]],
    rows: int,
) -> list[Value]:
    """Return the reductions of several rows in one loop over their elements.

    Vectors that an iterator computes are in registers only from then until they are combined.
    """
    totals = [
        [code.variable(code.constant(start)) for _ in range(ACCUMULATORS)] for _ in range(rows)
    ]
    for vectors in vectors_of(code, 0, length, ACCUMULATORS):
        for row, values in zip(totals, elements(vectors), strict=True):
            for total, value in zip(row, values, strict=False):
                within = value
                if vectors.mask is not None:
                    within = code.select(vectors.mask, value, code.constant(start))
                total.set(combine(total.get(), within))
    return [_joined(code, [total.get() for total in row], combine) for row in totals]


def _joined(
    code: Code, accumulators: Sequence[Value], combine: Callable[[Value, Value], Value]
) -> Value:
    """Return the combination of all lanes of four accumulators, in each lane."""
    first, second, third, fourth = accumulators
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


def two_sums_of(
    code: Code, length: Value, elements: Callable[[Vectors], Sequence[Iterable[Value]]]
) -> list[Value]:
    """Return the sums of two rows that are computed together, each as `sum_of` does."""
    return _reduced_together(code, length, 0.0, lambda total, x: total + x, elements, 2)


def roundings_of_sum(length: int, lanes: int) -> int:
    """Return through how many additions an element goes at most, n of |error| ≤ γₙ · Σ|x|.

    A lane of the first accumulator adds one element of every ACCUMULATORS vectors, and at the end
    of the row up to as many more. Then 2 additions join four accumulators, and log₂(lanes) lanes.

    >>> roundings_of_sum(768, lanes=16)
    22
    """
    in_a_lane = length // (ACCUMULATORS * lanes) + ACCUMULATORS
    return in_a_lane + 2 + lanes.bit_length() - 1
