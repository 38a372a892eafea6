"""The product of two matrices that both have k as rows: C += Aᵀ · B in register tiles.

A  [k, m]    B  [k, n]    C  [m, n], all row-major; n is a multiple of the tile's width
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.microkernel.register_tile import accumulators, multiply, tile_heights


def emit_transposed_product(module: Module) -> Function:
    """Emit the function that adds a product to C, or where `first` is 1 writes it there."""
    most_rows, vectors = module.target.tile()
    heights = tile_heights(most_rows)
    tiles = {rows: _emit_tile(module, rows, vectors) for rows in heights}
    width = vectors * module.target.lanes(module.dtype)

    @function(module)
    def transposed_product(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        m: Value,
        n: Value,
        k: Value,
        a_stride: Value,
        b_stride: Value,
        c_stride: Value,
        first: Value,
    ) -> None:
        with code.loop(0, n, width) as column:
            row = code.value(0)
            for rows in heights:
                stop = m - (m - row) % rows
                with code.loop(row, stop, rows) as i:
                    tiles[rows].call(
                        a=a + i,
                        b=b + column,
                        c=c + (i * c_stride + column),
                        k=k,
                        a_stride=a_stride,
                        b_stride=b_stride,
                        c_stride=c_stride,
                        first=first,
                    )
                row = stop

    return transposed_product


def _emit_tile(module: Module, rows: int, vectors: int) -> Function:
    @function(module, f"transposed_tile_{rows}x{vectors}")
    def tile(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        k: Value,
        a_stride: Value,
        b_stride: Value,
        c_stride: Value,
        first: Value,
    ) -> None:
        lanes = code.lanes
        c_rows = [c + c_stride * i for i in range(rows)]
        totals = accumulators(code, rows, vectors)

        def left(i: int, step: Value) -> Value:
            return (a + step * a_stride)[i]

        def right(step: Value, j: int) -> Value:
            return (b + step * b_stride).vector(j * lanes)

        multiply(code, totals, k, left, right)
        with code.if_(first.equals(1)):
            for c_row, row in zip(c_rows, totals, strict=True):
                for j, total in enumerate(row):
                    c_row[j * lanes] = total.get()
        with code.else_():
            for c_row, row in zip(c_rows, totals, strict=True):
                for j, total in enumerate(row):
                    c_row[j * lanes] = c_row.vector(j * lanes) + total.get()

    return tile
