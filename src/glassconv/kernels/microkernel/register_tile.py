"""The register tile (the microkernel in BLIS's terms), which all dense kernels share.

A tile is a small block of a matrix product C = A · B, `rows` high and `vectors` wide, whose
accumulators stay in registers over the whole loop over k:

    for step in range(k):
        right = [B[step, j] for j in range(vectors)]     one load each
        for i in range(rows):
            left = A[i, step] in every lane              one load, broadcast
            for j in range(vectors):
                accumulator[i][j] += left * right[j]     one fused multiply-add

Each step performs rows + vectors loads and rows · vectors FMAs. A processor with two FMA units and
two load ports is then limited by its FMA units: 6 × 2 needs 8 loads for 12 FMAs. The accumulators
are independent, and 12 of them hide the latency of the FMA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from glassconv.codegen.ir import Code, Value, Variable

T = TypeVar("T", int, Value)
Tile = list[list[Variable]]  # accumulators, [row][vector]


def multiply(
    code: Code,
    tile: Tile,
    k: Value,
    left: Callable[[int, Value], Value],
    right: Callable[[Value, int], Value],
) -> None:
    """Accumulate A · B: left(row, step) returns an element of A, right(step, j) a vector of B.

    Each accumulator is one chain of fused multiply-adds in the order of k, so the error bound does
    not depend on the shape of the tile.
    """
    with code.loop(0, k) as step:
        vectors = [right(step, j) for j in range(len(tile[0]))]
        add_products(code, tile, (left(i, step) for i in range(len(tile))), vectors)


def add_products(code: Code, tile: Tile, elements: Iterable[Value], vectors: list[Value]) -> None:
    """Emit a rank-1 update: accumulator[i][j] += elements[i] · vectors[j]; elements load lazily."""
    for element, row in zip(elements, tile, strict=True):
        left = code.broadcast(element)
        for right, accumulator in zip(vectors, row, strict=True):
            accumulator.set(code.fma(left, right, accumulator.get()))


def accumulators(
    code: Code, rows: int, vectors: int, start: Callable[[int, int], Value] | None = None
) -> Tile:
    """Return rows × vectors accumulators, initialized by start(row, vector) or with zeros."""
    return [
        [code.variable(start(i, j) if start else code.zeros()) for j in range(vectors)]
        for i in range(rows)
    ]


def tile_heights(most: int, *, tall: bool = False) -> list[int]:
    """Return tile heights in decreasing order that together cover any number of rows.

    tall: whether the first is a row more, for the rows that `tall_tiles` takes.

    >>> tile_heights(6), tile_heights(12), tile_heights(12, tall=True)
    ([6, 4, 2, 1], [12, 8, 4, 2, 1], [13, 12, 8, 4, 2, 1])
    """
    return [*[most + 1] * tall, most, *(height for height in (8, 4, 2, 1) if height < most)]


def tall_tiles(rows: T, height: int) -> T:
    """Return how many tiles have a row more, so that few rows are left for tiles of 1 or 2.

    Such a tile has too few accumulators to hide the latency of an FMA: one row takes as long as 4.

    >>> [tall_tiles(rows, 13) for rows in (48, 49, 51, 14, 3)]
    [0, 1, 3, 1, 0]
    """
    left, fit = rows % 4, rows // height
    return left.minimum(fit) if isinstance(left, Value) else min(left, fit)


def main_height(rows: int, most: int) -> int:
    """Return the height of the tiles that compute most of `rows` rows.

    >>> main_height(64, 6), main_height(5, 6), main_height(1, 6)
    (6, 4, 1)
    """
    return next(height for height in tile_heights(most) if height <= max(rows, 1))
