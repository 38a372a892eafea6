"""The tiles of the ordered kernel for one channel per group in NCHW: products row by row.

The depthwise kernel's own tile takes the taps of a kernel column one after another, since rows of
outputs share their inputs. Here they come row by row, and each product loads its inputs, from where
a table says: an offset for each tap, the same for all rows of outputs.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.kernels.depthwise_parts.nchw import NchwParameters
from glassconv.kernels.depthwise_parts.nchw_task import store_rows
from glassconv.kernels.depthwise_parts.register_tile import TapPattern
from glassconv.problem.activations import Epilogue


def emit_tiles(module: Module, pattern: TapPattern, size: int, epilogue: Epilogue) -> Function:
    """Emit the function that computes a row of tiles, each `size` rows × one vector.

    pattern: of the taps of a kernel row. `_emit_tiles` of nchw_task.py explains the parameters.
    """

    @function(module, f"tiles_{size}")
    def tiles(
        code: Code,
        parameters: NchwParameters[Value],
        window: Pointer,
        weights: Pointer,
        bias: Pointer,
        output: Pointer,
        limit: Value,
        residual_offset: Value,
    ) -> None:
        p, offsets = parameters, table_after(parameters)
        output_row_stride = p.output_row_stride
        start = code.broadcast(bias[0])
        with code.loop(0, p.column_vectors) as vector:
            column = (vector * code.lanes).minimum(p.last_vector_column)
            rows = [window + (column + p.row_stride * i) for i in range(size)]
            accumulators = [code.variable(code.zeros()) for _ in rows]

            def add(tap: Value, rows: list[Pointer] = rows) -> None:
                weight, offset = code.broadcast(weights[tap]), offsets[tap]
                for row, accumulator in zip(rows, accumulators, strict=True):
                    accumulator.set(code.fma(weight, row.vector(offset), accumulator.get()))

            with code.loop(0, p.taps, pattern.taps or 1) as first:
                for v in range(pattern.taps or 1):
                    add(first + v)
            sums = [start + accumulator.get() for accumulator in accumulators]
            store_rows(
                code, p, epilogue, sums, output, column, output_row_stride, limit, residual_offset
            )

    return tiles


def offsets_of(p: NchwParameters[int], columns: tuple[int, ...]) -> tuple[int, ...]:
    """Return the offset in a window of each tap, row by row, from those of the taps of a row."""
    return tuple(u * p.tap_stride + column for u in range(p.kernel_height) for column in columns)
