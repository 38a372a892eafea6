"""The fallback: direct computation of an output tile whose Winograd result is not finite.

output[y, x, f] = Σ_(c, u, v) weight[f, c, u, v] · input[c, y + u − padding, x + v − padding]
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.winograd_parts.parameters import KERNEL_SIZE, WinogradParameters


def emit_fallback(module: Module) -> Function:
    """Emit the scalar function that computes one tile for several filters.

    It stores output [row, column, filter] at dst[row · row_stride + column · column_stride +
    filter]. `image` points to the first channel of an image and group.
    """

    @function(module)
    def fallback(
        code: Code,
        parameters: WinogradParameters[Value],
        image: Pointer,
        weight: Pointer,
        bias: Pointer,
        dst: Pointer,
        row_stride: Value,
        column_stride: Value,
        y: Value,
        x: Value,
        rows: Value,
        columns: Value,
        filters: Value,
    ) -> None:
        p = parameters
        with (
            code.loop(0, filters) as f,
            code.loop(0, rows) as i,
            code.loop(0, columns) as j,
        ):
            total = code.variable(bias[f])
            top, left = y + i - p.padding_h, x + j - p.padding_w
            # The range of taps inside the input.
            u_begin, u_end = (0 - top).maximum(0), (p.input_height - top).minimum(KERNEL_SIZE)
            v_begin, v_end = (
                (0 - left).maximum(0),
                (p.input_width - left).minimum(KERNEL_SIZE),
            )
            with (
                code.loop(0, p.channels) as c,
                code.loop(u_begin, u_end) as u,
                code.loop(v_begin, v_end) as v,
            ):
                row, column = (top + u) * p.input_stride_h, (left + v) * p.input_stride_w
                w = weight[((f * p.channels + c) * KERNEL_SIZE + u) * KERNEL_SIZE + v]
                total.set(total.get() + w * image[c * p.input_stride_c + row + column])
            dst[i * row_stride + j * column_stride + f] = total.get()

    return fallback
