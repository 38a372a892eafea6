"""F(m, r): the three matrices that give m outputs of a filter of r taps by m + r − 1 products.

Multiplying polynomials takes few products once both are known by their values: evaluate, multiply
value by value, interpolate. Cook and Toom's points are n − 1 numbers and infinity, n = m + r − 1.
Transposed, that multiplication is the correlation that neural networks call a convolution:

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]        y_i = Σ_k g_k · d_(i+k),  0 ≤ i < m,  0 ≤ k < r

    g filter [r]    d piece of input [n]    y outputs [m]    ⊙ product element by element

Everything here is computed in exact fractions; docs/algorithms/winograd.md derives it.

Source: S. Winograd, Arithmetic complexity of computations, 1980; the signs of A. Lavin and S. Gray,
Fast algorithms for convolutional neural networks, 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import count, islice
from math import prod
from typing import NamedTuple

from glassconv.errors import ArgumentError

Row = tuple[Fraction, ...]
Matrix = tuple[Row, ...]


class Transforms(NamedTuple):
    """The three matrices of F(m, r)."""

    output: Matrix  # Aᵀ [m, n]
    filter: Matrix  # G  [n, r]
    input: Matrix  # Bᵀ [n, n]


@lru_cache
def cook_toom(m: int, r: int, points: Row | None = None) -> Transforms:
    """Return the matrices of F(m, r) from n − 1 different points; infinity is the n-th.

    >>> for row in cook_toom(2, 3).input:
    ...     print(*row)
    1 0 -1 0
    0 1 1 0
    0 -1 1 0
    0 1 0 -1
    >>> print(*cook_toom(2, 3).filter[1])
    1/2 1/2 1/2
    """
    if points is None:
        points = good_points(m + r - 2)
    if len(set(points)) != m + r - 2 or len(points) != m + r - 2:
        raise ArgumentError(f"F({m}, {r}) needs {m + r - 2} different points, got {points}")
    others = [points[:j] + points[j + 1 :] for j in range(len(points))]
    # Interpolation is Σ_j s(p_j) · Π_(l≠j) (x − p_l) / Π_(l≠j) (p_j − p_l). The divisor may stand
    # with either factor of the product. It stands with the filter, which is transformed in float64
    # and only once: then Aᵀ and Bᵀ divide by nothing, and points that are whole numbers of
    # quarters leave no entry of theirs to be rounded.
    divisors = [
        prod((point - other for other in rest), start=Fraction(1))
        for point, rest in zip(points, others, strict=True)
    ]
    at_points = zip(points, divisors, strict=True)
    values = [*(_powers(point, m) for point in points), _at_infinity(m)]
    weights = [tuple(x / by for x in _powers(p, r)) for p, by in at_points]
    pieces = [(*_with_roots(rest), Fraction(0)) for rest in others]
    # Two factors may change their sign together. As in Lavin and Gray's paper, the rows of Bᵀ for
    # the points 0 and infinity begin with a positive number.
    for j, point in enumerate(points):
        if not point and _first(pieces[j]) < 0:
            pieces[j], weights[j] = _negated(pieces[j]), _negated(weights[j])
    pieces.append(_with_roots(points))
    if _first(pieces[-1]) < 0:
        pieces[-1], values[-1] = _negated(pieces[-1]), _negated(values[-1])
    return Transforms(
        output=tuple(zip(*values, strict=True)),
        filter=(*weights, _at_infinity(r)),
        input=tuple(pieces),
    )


def transposed(matrix: Matrix) -> Matrix:
    """Return the transpose of a matrix.

    >>> transposed(((1, 2), (3, 4)))
    ((1, 3), (2, 4))
    """
    return tuple(zip(*matrix, strict=True))


def good_points(number: int) -> Row:
    """Return points that lose few digits: near 1 in size, in pairs ±p whose powers cancel.

    >>> print(*good_points(6))
    0 1 -1 1/2 -1/2 2
    """
    return BETTER.get(number) or tuple(islice(_pairs(), number))


# Where the sequence is not best: of 0, pairs and a rest in quarters up to 3, these leave the least
# rms error on normal data, Σ_j A_ij² · Σ_k G_jk² · Σ_l B_jl², for F(4, 2), F(2, 4) and F(4, 3).
BETTER = {
    number: tuple(Fraction(quarters, 4) for quarters in points)
    for number, points in {4: (0, 3, -3, 8), 5: (0, 3, -3, 6, -6)}.items()
}


def _pairs() -> Iterator[Fraction]:
    """Yield 0, ±1, ±1/2, ±2, ±1/4, ±4, …: powers of two, so that no power of them is rounded."""
    yield Fraction(0)
    yield from (Fraction(1), Fraction(-1))
    for exponent in count(1):
        for point in (Fraction(1, 2**exponent), Fraction(2**exponent)):
            yield from (point, -point)


def _first(row: Row) -> Fraction:
    """Return the first entry that is not 0."""
    return next(entry for entry in row if entry)


def _negated(row: Row) -> Row:
    return tuple(-entry for entry in row)


def _powers(point: Fraction, number: int) -> Row:
    """Return what evaluates a polynomial of so many coefficients at a point."""
    return tuple(point**exponent for exponent in range(number))


def _at_infinity(number: int) -> Row:
    """Return what evaluates it at infinity, where only its highest coefficient counts."""
    return (*(Fraction(0),) * (number - 1), Fraction(1))


def _with_roots(points: Row) -> Row:
    """Return the coefficients of Π (x − p), lowest first."""
    coefficients: Row = (Fraction(1),)
    for point in points:
        shifted, scaled = (Fraction(0), *coefficients), (*coefficients, Fraction(0))
        coefficients = tuple(a - point * b for a, b in zip(shifted, scaled, strict=True))
    return coefficients
