"""The direct computation of the outputs of a tile that is not flat.

output[y, x, f] = bias[f] + Σ_(u, v, c) weight[f, c, u, v] · input[c, s·y + u − pad, s·x + v − pad]

Vector lanes are filters; a row of outputs is accumulated at once. Padding is skipped.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.winograd_parts.parameters import KERNEL_SIZE, WinogradParameters


def emit_direct_tile(module: Module, tile_outputs: int, stride: int) -> Function:
    """Emit the function that computes one tile for a vector of filters.

    It stores output [row, column, filter] at dst[row · row_stride + column · column_stride +
    filter], the first `rows` rows, `columns` columns and `filters` lanes. `image` points to the
    first channel of an image and group.
    """

    @function(module)
    def direct_tile(
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
        bias_vector = bias.masked(code.first_lanes(filters))
        taps = KERNEL_SIZE**2 * code.lanes
        with code.loop(0, rows) as row:
            totals = [code.variable(bias_vector) for _ in range(tile_outputs)]
            with code.loop(0, KERNEL_SIZE) as u, code.loop(0, KERNEL_SIZE) as v:
                pixels, inside = [], []
                pixel_y = (y + row) * stride + u - p.padding_h
                for column in range(tile_outputs):
                    pixel_x = (x + column) * stride + v - p.padding_w
                    is_inside = (
                        (pixel_y >= 0)
                        & (pixel_y < p.input_height)
                        & (pixel_x >= 0)
                        & (pixel_x < p.input_width)
                    )
                    offset = pixel_y * p.input_stride_h + pixel_x * p.input_stride_w
                    pixels.append(image + code.select(is_inside, offset, 0))
                    inside.append(is_inside)
                sums = [code.variable(total.get()) for total in totals]
                tap = weight + (u * KERNEL_SIZE + v) * code.lanes
                with code.loop(0, p.channels) as c:
                    weights = tap.vector(c * taps)
                    for pixel, each in zip(pixels, sums, strict=True):
                        factor = code.broadcast(pixel[c * p.input_stride_c])
                        each.set(code.fma(factor, weights, each.get()))
                for total, each, is_inside in zip(totals, sums, inside, strict=True):
                    total.set(code.select(is_inside, each.get(), total.get()))
            for column, total in enumerate(totals):
                dst_ptr = dst + (row * row_stride + column * column_stride)
                with code.if_(columns > column):
                    dst_ptr.store_masked(code.first_lanes(filters), total.get())

    return direct_tile
