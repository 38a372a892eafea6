"""The fallback: one tile's outputs by the definition, where Winograd's transforms overflowed.

output[y, x, f] = Σ_(c, u, v) weight[f, c, u, v] · input[c, y + u − padding, x + v − padding]
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.winograd_parts.parameters import TAPS, WinogradParameters


def fallback_function(module: Module) -> Function:
    """Write the function that computes a tile of some filters, one number after the other.

    Output [row, column, filter] is at target[row · row_stride + column · column_stride + filter].
    `image`: the first channel of an image and group.
    """

    @function(module)
    def fallback(
        code: Code,
        parameters: WinogradParameters[Value],
        image: Pointer,
        weight: Pointer,
        bias: Pointer,
        target: Pointer,
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
            # The taps that are inside the input.
            first_row, last_row = (0 - top).maximum(0), (p.input_height - top).minimum(TAPS)
            first_column, last_column = (0 - left).maximum(0), (p.input_width - left).minimum(TAPS)
            with (
                code.loop(0, p.channels) as c,
                code.loop(first_row, last_row) as u,
                code.loop(first_column, last_column) as v,
            ):
                row, column = (top + u) * p.input_stride_h, (left + v) * p.input_stride_w
                tap = weight[((f * p.channels + c) * TAPS + u) * TAPS + v]
                total.set(total.get() + tap * image[c * p.input_stride_c + row + column])
            target[i * row_stride + j * column_stride + f] = total.get()

    return fallback
