"""The register-tiled matrix product C = A · B or C += A · B (the macrokernel in BLIS's terms).

    A  [m, k]  row-major, with leading dimension `a_stride`
    B  [k, n]  in panels of the tile's width: row `step` of panel p begins at
               p · b_panel_stride + step · b_row_stride. The last panel is padded to the full
               width; its elements beyond n are ignored
    C  [m, n]  row-major, with leading dimension `c_stride`; columns beyond n are not written

The outer loop is over blocks of rows, so A is read once while B stays in L2.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.kernels.microkernel.register_tile import accumulators, multiply, tile_heights

ROWS, COLUMNS = "rows", "columns"  # of C: what an element of the bias belongs to
CACHE_LINE = 64  # bytes


@dataclass(frozen=True)
class Product:
    """The function that multiplies two matrices, and the width of a panel in elements."""

    function: Function
    width: int


def product(module: Module, bias_along: str | None) -> Product:
    """Emit the function that multiplies two matrices of any size.

    bias_along: ROWS or COLUMNS for one bias element per row or column of C, None for no bias.
    The function's parameter `first` is 1 to initialize C with the bias and 0 to accumulate into C.
    Without a bias, C is initialized with zeros, `bias` is not read, and n must be a multiple of the
    panel width.
    """
    most_rows, most_vectors = module.target.tile()
    lanes = module.target.lanes(module.dtype)
    width = most_vectors * lanes
    heights = tile_heights(most_rows)
    full_tiles = {
        rows: _emit_tiles(module, rows, most_vectors, bias_along, masked=False) for rows in heights
    }
    edge_tiles = {
        (rows, vectors): _emit_tiles(module, rows, vectors, bias_along, masked=True)
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
        remainder = n - panels * width
        row = code.value(0)
        for rows in heights:
            stop = m - (m - row) % rows
            with code.loop(row, stop, rows) as i:
                if bias_along:  # without a bias (Winograd), A has just been written and is in cache
                    _prefetch_rows(code, a + (i + rows) * a_stride, rows, k, a_stride)
                common: dict[str, Argument] = {
                    "a": a + i * a_stride,
                    "remainder": remainder,
                    "b_panel_stride": b_panel_stride,
                    "k": k,
                    "a_stride": a_stride,
                    "b_row_stride": b_row_stride,
                    "c_stride": c_stride,
                    "first": first,
                }
                bias_ptr = bias + i if bias_along == ROWS else bias
                full_tiles[rows].call(
                    b=b, c=c + i * c_stride, bias=bias_ptr, count=panels, **common
                )
                column = panels * width
                partial: dict[str, Argument] = {
                    "b": b + panels * b_panel_stride,
                    "c": c + (i * c_stride + column),
                    "bias": bias_ptr if bias_along == ROWS else bias_ptr + column,
                    "count": 1,
                }
                for vectors in range(1, most_vectors + 1) if bias_along else ():
                    fits = (remainder > (vectors - 1) * lanes) & (remainder <= vectors * lanes)
                    with code.if_(fits):
                        edge_tiles[rows, vectors].call(**partial, **common)
            row = stop

    return Product(product, width)


def _prefetch_rows(code: Code, a: Pointer, rows: int, k: Value, a_stride: Value) -> None:
    """Prefetch the next rows of A, which are too short for the hardware prefetcher to detect."""
    with code.loop(0, k, CACHE_LINE // ELEMENT_BYTES[code.dtype]) as step:
        for i in range(rows):
            (a + i * a_stride).prefetch(step)


def _emit_tiles(
    module: Module, rows: int, vectors: int, bias_along: str | None, *, masked: bool
) -> Function:
    """Emit the function that computes `count` adjacent tiles of `rows` rows of C.

    masked: whether only the first `remainder` columns of a tile are valid.
    """

    @function(module, f"{'masked_tiles' if masked else 'tiles'}_{rows}x{vectors}")
    def tiles(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        bias: Pointer,
        count: Value,
        remainder: Value,
        b_panel_stride: Value,
        k: Value,
        a_stride: Value,
        b_row_stride: Value,
        c_stride: Value,
        first: Value,
    ) -> None:
        lanes = code.lanes
        last = vectors - 1  # only this vector may be partial; further masks would need registers
        mask = code.first_lanes(remainder - last * lanes) if masked else None

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
            panel, c_ptr = b + number * b_panel_stride, c + number * (vectors * lanes)
            tile = accumulators(code, rows, vectors)
            for i in range(rows if bias_along else 0):  # without a bias C stays in cache
                (c_ptr + i * c_stride).prefetch(vectors * lanes, to_write=True)
            a_row_ptrs = [a + i * a_stride for i in range(rows)]
            multiply(
                code,
                tile,
                k,
                left=lambda i, step: a_row_ptrs[i][step],
                right=lambda step, j: (panel + step * b_row_stride).vector(j * lanes),
            )
            indices = [(i, j) for i in range(rows) for j in range(vectors)]
            with code.if_(first.equals(1)):
                for i, j in indices:
                    total = tile[i][j].get()
                    if bias_along == ROWS:
                        total += code.broadcast(bias[i])
                    elif bias_along == COLUMNS:
                        total += load(bias + number * (vectors * lanes), j)
                    store(c_ptr + i * c_stride, j, total)
            with code.else_():
                for i, j in indices:
                    row = c_ptr + i * c_stride
                    store(row, j, load(row, j) + tile[i][j].get())

    return tiles
