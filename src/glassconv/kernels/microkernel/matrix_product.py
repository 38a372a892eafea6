"""A product of matrices in memory, cut into register tiles: C = A · B, or C += A · B.

    A  [m, k]  row-major, its rows `a_row` elements apart
    B  [k, n]  in panels as wide as a tile: row `step` of panel p is at p · b_panel + step · b_row;
               a panel's last vector is whole, whatever lies beyond n
    C  [m, n]  row-major, its rows `c_row` apart; nothing beyond n is written

Blocks of rows are the outer loop: A, which may be long, is read once; B stays in the second cache.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.ir import INT, POINTER, Code, Module, Pointer, Value
from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.kernels.microkernel.register_tile import Tile, multiply, tile

ROWS, COLUMNS = "rows", "columns"
LINE = 64  # bytes of a cache line


@dataclass(frozen=True)
class Product:
    """A compiled product's function, and what it takes."""

    code: Code
    width: int  # of a panel, in elements


def product(module: Module, bias: str | None) -> Product:
    """Write the function that multiplies two matrices of any size.

    It takes (a, b, c, bias, m, n, k, a_row, b_panel, b_row, c_row, first).
    bias: whether its element belongs to a row or a column of C. first: 1 where C starts from the
    bias, 0 where it goes on from what C holds. Without a bias C starts from zero, the pointer is
    not read, and n is made of whole panels.
    """
    most_rows, most_vectors = module.target.tile()
    lanes = module.target.lanes(module.dtype)
    width = most_vectors * lanes
    heights = _heights(most_rows)
    whole = {rows: _tiles(module, rows, most_vectors, bias, masked=False) for rows in heights}
    ends = {
        (rows, vectors): _tiles(module, rows, vectors, bias, masked=True)
        for rows in heights
        for vectors in range(1, most_vectors + 1)
        if bias
    }
    code = Code(module, "product", [POINTER] * 4 + [INT] * 8)
    a, b, c, biases, m, n, k, a_row, b_panel, b_row, c_row, first = code.arguments()
    panels = n // width
    left = n - panels * width
    row = code.value(0)
    for rows in heights:
        stop = m - (m - row) % rows
        with code.loop(row, stop, rows) as i:
            if bias:  # without one A was written just before, and lies near
                _prefetch(code, a + (i + rows) * a_row, rows, k, a_row)
            start = biases + i if bias == ROWS else biases
            steps = [k, a_row, b_row, c_row, first]
            code.call_function(
                whole[rows], a + i * a_row, b, c + i * c_row, start, panels, left, b_panel, *steps
            )
            over = panels * width
            end = [
                a + i * a_row, b + panels * b_panel, c + (i * c_row + over),
                start if bias == ROWS else start + over, code.value(1), left, b_panel, *steps,
            ]  # fmt: skip
            for vectors in range(1, most_vectors + 1) if bias else ():
                fits = (left > (vectors - 1) * lanes) & (left <= vectors * lanes)
                with code.when(fits):
                    code.call_function(ends[rows, vectors], *end)
        row = stop
    code.finish()
    return Product(code, width)


def _prefetch(code: Code, a: Pointer, rows: int, k: Value, a_row: Value) -> None:
    """Ask for the next rows of A: runs of lines too short for the processor to foresee."""
    with code.loop(0, k, LINE // ELEMENT_BYTES[code.dtype]) as step:
        for i in range(rows):
            (a + i * a_row).prefetch(step)


def _heights(most: int) -> list[int]:
    """Return the heights of tiles that make up any number of rows, the highest first.

    >>> _heights(6)
    [6, 4, 2, 1]
    """
    return [most, *(height for height in (8, 4, 2, 1) if height < most)]


def _tiles(module: Module, rows: int, vectors: int, bias: str | None, *, masked: bool) -> Code:
    """Write a row of tiles, side by side: `rows` rows of C, as many tiles as counted.

    masked: whether only the first `left` columns exist.
    """
    name = f"{'end' if masked else 'tiles'}_{rows}x{vectors}"
    code = Code(module, name, [POINTER] * 4 + [INT] * 8)
    a, b, c, biases, count, left, b_panel, k, a_row, b_row, c_row, first = code.arguments()
    lanes = code.lanes
    last = vectors - 1  # the only vector that may be in part; more masks would take registers
    mask = code.first_lanes(left - last * lanes) if masked else None
    with code.loop(0, count) as number:
        panel, corner = b + number * b_panel, c + number * (vectors * lanes)

        def load(place: Pointer, j: int) -> Value:
            if mask is not None and j == last:
                return place.masked(mask, j * lanes)
            return place.vector(j * lanes)

        def store(place: Pointer, j: int, value: Value) -> None:
            if mask is not None and j == last:
                place.store_masked(mask, value, j * lanes)
            else:
                place[j * lanes] = value

        totals = tile(code, rows, vectors, lambda i, j: code.zeros())
        for i in range(rows if bias else 0):  # without one C stays near
            (corner + i * c_row).prefetch(vectors * lanes, to_write=True)
        rows_of_a = [a + i * a_row for i in range(rows)]
        multiply(
            code,
            totals,
            k,
            left=lambda i, step: rows_of_a[i][step],
            right=lambda step, j: (panel + step * b_row).vector(j * lanes),
        )
        with code.either(first.equals(1)) as (fresh, more):
            with fresh:
                for i, j in _places(totals):
                    total = totals[i][j].get()
                    if bias == ROWS:
                        total += code.spread(biases[i])
                    elif bias == COLUMNS:
                        total += load(biases + number * (vectors * lanes), j)
                    store(corner + i * c_row, j, total)
            with more:
                for i, j in _places(totals):
                    place = corner + i * c_row
                    store(place, j, load(place, j) + totals[i][j].get())
    code.finish()
    return code


def _places(totals: Tile) -> list[tuple[int, int]]:
    return [(i, j) for i in range(len(totals)) for j in range(len(totals[0]))]
