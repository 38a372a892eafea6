"""A product of matrices in memory, cut into register tiles: C = A · B, or C += A · B.

    A  [m, k]  row-major, its rows `a_stride` elements apart
    B  [k, n]  in panels as wide as a tile: row `step` of panel p begins at
               p · b_panel_stride + step · b_row_stride; all vectors of the last panel exist,
               whatever they hold beyond n
    C  [m, n]  row-major, its rows `c_stride` apart; nothing beyond n is written

Blocks of rows are the outer loop: A, which may be long, is read once; B stays in L2.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.kernels.microkernel.register_tile import accumulators, multiply, tile_heights

ROWS, COLUMNS = "rows", "columns"
CACHE_LINE = 64  # bytes


@dataclass(frozen=True)
class Product:
    """The function that multiplies two matrices, and the width of a panel in elements."""

    function: Function
    width: int


def product(module: Module, bias_along: str | None) -> Product:
    """Write the function that multiplies two matrices of any size.

    bias_along: whether an element of the bias belongs to one of C's ROWS or COLUMNS. first: 1 where
    C starts from the bias, 0 where the product is added to C. Without a bias C starts from zeros,
    the pointer is not read, and n is a number of whole panels.
    """
    most_rows, most_vectors = module.target.tile()
    lanes = module.target.lanes(module.dtype)
    width = most_vectors * lanes
    heights = tile_heights(most_rows)
    whole = {rows: _tiles(module, rows, most_vectors, bias_along, masked=False) for rows in heights}
    ends = {
        (rows, vectors): _tiles(module, rows, vectors, bias_along, masked=True)
        for rows in heights
        for vectors in range(1, most_vectors + 1)
        if bias_along
    }

    @function(module)
    def product(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        bias: Pointer,
        m: Value,
        n: Value,
        k: Value,
        a_stride: Value,
        b_panel_stride: Value,
        b_row_stride: Value,
        c_stride: Value,
        first: Value,
    ) -> None:
        panels = n // width
        rest = n - panels * width
        row = code.value(0)
        for rows in heights:
            stop = m - (m - row) % rows
            with code.loop(row, stop, rows) as i:
                if bias_along:  # without a bias A was written just before and is in cache
                    _prefetch_rows(code, a + (i + rows) * a_stride, rows, k, a_stride)
                common: dict[str, Argument] = {
                    "a": a + i * a_stride,
                    "rest": rest,
                    "b_panel_stride": b_panel_stride,
                    "k": k,
                    "a_stride": a_stride,
                    "b_row_stride": b_row_stride,
                    "c_stride": c_stride,
                    "first": first,
                }
                start = bias + i if bias_along == ROWS else bias
                whole[rows].call(b=b, c=c + i * c_stride, bias=start, count=panels, **common)
                done = panels * width
                partial: dict[str, Argument] = {
                    "b": b + panels * b_panel_stride,
                    "c": c + (i * c_stride + done),
                    "bias": start if bias_along == ROWS else start + done,
                    "count": 1,
                }
                for vectors in range(1, most_vectors + 1) if bias_along else ():
                    fits = (rest > (vectors - 1) * lanes) & (rest <= vectors * lanes)
                    with code.if_(fits):
                        ends[rows, vectors].call(**partial, **common)
            row = stop

    return Product(product, width)


def _prefetch_rows(code: Code, a: Pointer, rows: int, k: Value, a_stride: Value) -> None:
    """Ask for the next rows of A: runs of lines too short for the processor to foresee."""
    with code.loop(0, k, CACHE_LINE // ELEMENT_BYTES[code.dtype]) as step:
        for i in range(rows):
            (a + i * a_stride).prefetch(step)


def _tiles(
    module: Module, rows: int, vectors: int, bias_along: str | None, *, masked: bool
) -> Function:
    """Write a row of tiles, side by side: `rows` rows of C, `count` tiles.

    masked: whether only the first `rest` columns of a tile exist.
    """

    @function(module, f"{'end' if masked else 'tiles'}_{rows}x{vectors}")
    def tiles(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        bias: Pointer,
        count: Value,
        rest: Value,
        b_panel_stride: Value,
        k: Value,
        a_stride: Value,
        b_row_stride: Value,
        c_stride: Value,
        first: Value,
    ) -> None:
        lanes = code.lanes
        last = vectors - 1  # only this vector may be partial; more masks would take registers
        mask = code.first_lanes(rest - last * lanes) if masked else None

        def load(pointer: Pointer, j: int) -> Value:
            if mask is not None and j == last:
                return pointer.masked(mask, j * lanes)
            return pointer.vector(j * lanes)

        def store(pointer: Pointer, j: int, value: Value) -> None:
            if mask is not None and j == last:
                pointer.store_masked(mask, value, j * lanes)
            else:
                pointer[j * lanes] = value

        with code.loop(0, count) as number:
            panel, corner = b + number * b_panel_stride, c + number * (vectors * lanes)
            tile = accumulators(code, rows, vectors)
            for i in range(rows if bias_along else 0):  # without a bias C stays in cache
                (corner + i * c_stride).prefetch(vectors * lanes, to_write=True)
            rows_of_a = [a + i * a_stride for i in range(rows)]
            multiply(
                code,
                tile,
                k,
                left=lambda i, step: rows_of_a[i][step],
                right=lambda step, j: (panel + step * b_row_stride).vector(j * lanes),
            )
            places = [(i, j) for i in range(rows) for j in range(vectors)]
            with code.if_(first.equals(1)):
                for i, j in places:
                    total = tile[i][j].get()
                    if bias_along == ROWS:
                        total += code.broadcast(bias[i])
                    elif bias_along == COLUMNS:
                        total += load(bias + number * (vectors * lanes), j)
                    store(corner + i * c_stride, j, total)
            with code.else_():
                for i, j in places:
                    row = corner + i * c_stride
                    store(row, j, load(row, j) + tile[i][j].get())

    return tiles
