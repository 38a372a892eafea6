"""One tile's outputs by the definition, for where Winograd's way was not finite.

output[y, x, f] = Σ_(c, u, v) weight[f, c, u, v] · input[c, y + u − padding, x + v − padding]
"""

from __future__ import annotations

from glassconv.codegen.ir import INT, POINTER, Code, Module
from glassconv.codegen.legacy import LegacyCode, Sizes
from glassconv.kernels.winograd_parts.strips import NAMES


def again(module: Module, taps: int) -> Code:
    """Write the function that computes a tile of some filters, one number after the other.

    It takes (plan, a picture's group, weight, bias, target, row_step, step, y, x, rows, columns,
    filters); output [row, column, filter] is at target[row · row_step + column · step + filter].
    """
    code = LegacyCode(module, "again", [POINTER] * 5 + [INT] * 7)
    (plan, input, weight, bias, target,
     row_step, step, y, x, rows, columns, filters) = code.arguments()  # fmt: skip
    size = Sizes(code, plan, NAMES)
    with (
        code.loop(0, filters) as f,
        code.loop(0, rows) as i,
        code.loop(0, columns) as j,
    ):
        total = code.variable(bias[f])
        top, left = y + i - size.padding_h, x + j - size.padding_w
        # The taps that stand on the picture.
        lower, upper = (0 - top).maximum(0), (size.in_h - top).minimum(taps)
        before, after = (0 - left).maximum(0), (size.in_w - left).minimum(taps)
        with (
            code.loop(0, size.channels) as c,
            code.loop(lower, upper) as u,
            code.loop(before, after) as v,
        ):
            place = c * size.input_c + (top + u) * size.input_h + (left + v) * size.input_w
            tap = weight[((f * size.channels + c) * taps + u) * taps + v]
            total.set(total.get() + tap * input[place])
        target[i * row_step + j * step + f] = total.get()
    code.finish()
    return code
