"""The product of a small constant matrix and a column of vectors, with few operations.

The interpolation points of the Winograd transforms come in pairs ±p, whose powers differ only in
sign. Pairs of columns or rows of a matrix therefore share subexpressions:

    columns j, k with a_ij = ±a_ik    s = x_j + x_k, d = x_j − x_k; each row uses one of s and d
    rows i, m with a_ij = ±a_mj       y_i = e + o, y_l = e − o; e sums equal entries, o opposite
    ones

The absolute values of the coefficients are unchanged, so the error bound of the plain sums still
applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

from glassconv.codegen.ir import Code, Value
from glassconv.mathematics.cook_toom import Matrix

Terms = list[tuple[Fraction, Value]]
ONE = Fraction(1)


def transform(
    code: Code, matrix: Matrix, column: Sequence[Value], scale: Fraction = ONE
) -> list[Value]:
    """Return scale · matrix · column as a list of vectors, one per row.

    Every product with an element of the column is scaled, so that none of them underflows.
    """
    rows = [[(a, x) for a, x in zip(row, column, strict=True) if a] for row in matrix]
    for j, k in combinations(range(len(column)), 2):
        pairs = [(row[j], row[k]) for row in matrix]
        if _equal_up_to_sign(pairs):
            _share_sum_and_difference(code, rows, pairs, column[j], column[k])
    results: dict[int, Value] = {}
    for i, m in combinations(range(len(matrix)), 2):
        pairs = list(zip(matrix[i], matrix[m], strict=True))
        if _equal_up_to_sign(pairs):
            equal = [(a, x) for (a, b), x in zip(pairs, column, strict=True) if a and a == b]
            opposite = [(a, x) for (a, b), x in zip(pairs, column, strict=True) if a and a == -b]
            equal_sum = _sum(code, equal, scale)
            factor, opposite_sum = _factor_out(code, opposite, scale)
            results[i] = _fma(code, equal_sum, factor, opposite_sum)
            results[m] = _fma(code, equal_sum, -factor, opposite_sum)
    return [results[i] if i in results else _sum(code, row, scale) for i, row in enumerate(rows)]


def _equal_up_to_sign(pairs: list[tuple[Fraction, Fraction]]) -> bool:
    """Return whether all pairs are equal or opposite, with a nonzero pair of each kind."""
    alike = all(abs(a) == abs(b) for a, b in pairs)
    return alike and any(a and a == b for a, b in pairs) and any(a and a == -b for a, b in pairs)


def _share_sum_and_difference(
    code: Code, rows: list[Terms], pairs: list[tuple[Fraction, Fraction]], x: Value, y: Value
) -> None:
    """Replace x and y by x + y or x − y in every row."""
    sum_, difference = x + y, x - y
    for row, (a, b) in zip(rows, pairs, strict=True):
        if a:
            row[:] = [term for term in row if term[1] is not x and term[1] is not y]
            row.append((a, sum_ if a == b else difference))


def _factor_out(code: Code, terms: Terms, scale: Fraction) -> tuple[Fraction, Value]:
    """Return (f, v) with f · v equal to the scaled sum; f is 1 unless dividing by it is exact."""
    common_factor = terms[-1][0]
    scaled = [(a / common_factor, x) for a, x in terms]
    if all(_is_exact(a) for a, _ in scaled):
        return common_factor, _sum(code, scaled, scale)
    return ONE, _sum(code, terms, scale)


def _is_exact(number: Fraction) -> bool:
    """Return whether float32 represents the number exactly, ignoring the exponent's range."""
    fits = number.numerator.bit_length() <= 24
    return number.denominator.bit_count() == 1 and fits


def _sum(code: Code, terms: Terms, scale: Fraction) -> Value:
    """Return scale · Σ a · x: first the terms with coefficient ±1, then fused multiply-adds."""
    (first, start), *remaining = sorted(terms, key=lambda term: (term[0] != 1, term[0] != -1))
    factor = first * scale
    total = start if factor == 1 else start * code.constant(float(factor))
    for a, x in remaining:
        total = _fma(code, total, a * scale, x)
    return total


def _fma(code: Code, total: Value, factor: Fraction, x: Value) -> Value:
    if factor == 1:
        return total + x
    if factor == -1:
        return total - x
    return code.fma(x, code.constant(float(factor)), total)
