"""A small constant matrix times a column of vectors, in few additions and multiplications.

The points of Winograd's transforms come in pairs ±p, whose powers differ in sign alone. So each
pair of rows or columns of a matrix shares what it can:

    columns j, k with a_ij = ±a_ik    s = x_j + x_k, d = x_j − x_k, and each row takes one of them
    rows i, k with a_ij = ±a_kj       y_i = e + o, y_k = e − o, e of equal entries, o of the others

Each entry keeps its size, so a bound that holds for the plain sums holds for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

from glassconv.codegen.ir import Code, Value
from glassconv.mathematics.cook_toom import Matrix

Terms = list[tuple[Fraction, Value]]
ONE = Fraction(1)


def transform(code: Code, matrix: Matrix, column: Sequence[Value]) -> list[Value]:
    """Return matrix · column: as many vectors as the matrix has rows."""
    rows = [[(a, x) for a, x in zip(row, column, strict=True) if a] for row in matrix]
    for j, k in combinations(range(len(column)), 2):
        pairs = [(row[j], row[k]) for row in matrix]
        if _mirrored(pairs):
            _share(code, rows, pairs, column[j], column[k])
    results: dict[int, Value] = {}
    for i, k in combinations(range(len(matrix)), 2):
        pairs = list(zip(matrix[i], matrix[k], strict=True))
        if _mirrored(pairs):
            equal = [(a, x) for (a, b), x in zip(pairs, column, strict=True) if a and a == b]
            opposite = [(a, x) for (a, b), x in zip(pairs, column, strict=True) if a and a == -b]
            even, (factor, odd) = _sum(code, equal), _without_factor(code, opposite)
            results[i] = _add_multiple(code, even, factor, odd)
            results[k] = _add_multiple(code, even, -factor, odd)
    return [results[i] if i in results else _sum(code, row) for i, row in enumerate(rows)]


def _mirrored(pairs: list[tuple[Fraction, Fraction]]) -> bool:
    """Return whether all pairs are equal or opposite, and some of either kind are not zero."""
    alike = all(abs(a) == abs(b) for a, b in pairs)
    return alike and any(a and a == b for a, b in pairs) and any(a and a == -b for a, b in pairs)


def _share(
    code: Code, rows: list[Terms], pairs: list[tuple[Fraction, Fraction]], x: Value, y: Value
) -> None:
    """Let every row take x + y or x − y instead of the two."""
    both, difference = x + y, x - y
    for row, (a, b) in zip(rows, pairs, strict=True):
        if a:
            row[:] = [term for term in row if term[1] is not x and term[1] is not y]
            row.append((a, both if a == b else difference))


def _without_factor(code: Code, terms: Terms) -> tuple[Fraction, Value]:
    """Return (f, v) with f · v the sum, f the last entry where that leaves no entry rounded."""
    factor = terms[-1][0]
    divided = [(a / factor, x) for a, x in terms]
    if all(_is_exact(a) for a, _ in divided):
        return factor, _sum(code, divided)
    return ONE, _sum(code, terms)


def _is_exact(number: Fraction) -> bool:
    """Return whether float32 holds the number, within its range."""
    fits = number.numerator.bit_length() <= 24
    return number.denominator.bit_count() == 1 and fits


def _sum(code: Code, terms: Terms) -> Value:
    """Return Σ a · x: first what needs no multiplication, then fused multiply-adds."""
    (first, start), *others = sorted(terms, key=lambda term: (term[0] != 1, term[0] != -1))
    total = start if first == 1 else start * code.constant(float(first))
    for a, x in others:
        total = _add_multiple(code, total, a, x)
    return total


def _add_multiple(code: Code, total: Value, factor: Fraction, x: Value) -> Value:
    if factor == 1:
        return total + x
    if factor == -1:
        return total - x
    return code.fma(x, code.constant(float(factor)), total)
