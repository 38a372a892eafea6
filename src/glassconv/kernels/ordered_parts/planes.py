"""The tiles of the ordered kernel for one channel per group in NCHW: products row by row.

The depthwise kernel's own tile takes the taps of a kernel column one after another, since rows of
outputs share their inputs. Here they come row by row, and each product loads its inputs.
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
        p, tap_offsets = parameters, table_after(parameters)
        row_stride, output_row_stride, taps = p.row_stride, p.output_row_stride, p.kernel_width
        start = code.broadcast(bias[0])
        with code.loop(0, p.column_vectors) as vector:
            column = (vector * code.lanes).minimum(p.last_vector_column)
            accumulators = [code.variable(code.zeros()) for _ in range(size)]
            with code.loop(0, p.kernel_height) as u:
                row, weight_row = window + (column + u * p.tap_stride), weights + u * taps

                def add(v: Value | int, row: Pointer = row, weights: Pointer = weight_row) -> None:
                    weight, inputs = code.broadcast(weights[v]), row + tap_offsets[v]
                    for accumulator in accumulators:
                        product = code.fma(weight, inputs.vector(), accumulator.get())
                        accumulator.set(product)
                        inputs = inputs + row_stride

                if pattern.taps:
                    for v in range(pattern.taps):
                        add(v)
                else:
                    with code.loop(0, taps) as tap:
                        add(tap)
            sums = [start + accumulator.get() for accumulator in accumulators]
            store_rows(
                code, p, epilogue, sums, output, column, output_row_stride, limit, residual_offset
            )

    return tiles
