"""The register tile: the innermost loop of every dense kernel, generated once and understood once.

A tile is a small block of a matrix product C = A · B, `rows` high and `vectors` wide, whose running
sums stay in registers while k runs along the whole shared side:

    for step in range(k):
        right = [B[step, j] for j in range(vectors)]     one load each
        for i in range(rows):
            left = A[i, step] in every lane              one load, broadcast
            for j in range(vectors):
                total[i][j] += left * right[j]           one fused multiply-add

For each step rows + vectors loads feed rows · vectors multiply-adds. A processor with two FMA units
loads two vectors in the time of two multiply-adds, so 6 × 2 (8 loads, 12 multiply-adds) leaves
the FMA units as the only limit; each sum is its own chain, and 12 chains hide the FMA's latency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from glassconv.codegen.ir import Code, Value, Variable

Tile = list[list[Variable]]  # [row][vector]


def tile(code: Code, rows: int, vectors: int, start: Callable[[int, int], Value]) -> Tile:
    """Return rows × vectors running sums, each with its first value."""
    return [[code.variable(start(i, j)) for j in range(vectors)] for i in range(rows)]


def add_products(code: Code, totals: Tile, elements: Iterable[Value], vectors: list[Value]) -> None:
    """Add one step: every row's element, read when its turn comes, times every vector."""
    for element, row in zip(elements, totals, strict=True):
        spread = code.spread(element)
        for vector, total in zip(vectors, row, strict=True):
            total.set(code.fma(spread, vector, total.get()))


def multiply(
    code: Code,
    totals: Tile,
    k: Value,
    left: Callable[[int, Value], Value],
    right: Callable[[Value, int], Value],
) -> None:
    """Add A · B to the tile: left(row, step) is an element, right(step, j) a vector.

    Each sum is one chain of fused multiply-adds in the order of k: its error is that of a plain
    sum, whatever the tile's shape.
    """
    with code.loop(0, k) as step:
        vectors = [right(step, j) for j in range(len(totals[0]))]
        add_products(code, totals, (left(i, step) for i in range(len(totals))), vectors)
