"""The test of tiles while they are transformed: which are flat, and which are computed directly.

It is explained in algorithms/parts/winograd_flatness.py: with the sums X = Σ|x| over channels of a
tile's pixels and a matrix S that is packed with the weight, a tile is flat if S X ≥ 0 and
ΣX ≤ most. NaN fails every comparison.
"""

from __future__ import annotations

from math import ceil

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.microkernel.padded_row import range_mask
from glassconv.kernels.winograd_parts.parameters import WinogradParameters

MAX_COLUMNS_AT_ONCE = 8  # as many as there are registers for


def emit_sums(module: Module, tile_size: int) -> Function:
    """Emit the function that adds Σ|x| over a block of channels of an NHWC input to its sums."""
    add_row = _emit_add_row(module)

    @function(module)
    def add_sums(
        code: Code,
        parameters: WinogradParameters[Value],
        input: Pointer,
        sums: Pointer,
        y: Value,
        x: Value,
        columns: Value,
        channels: Value,
    ) -> None:
        p = parameters
        first, stop = (0 - x).maximum(0), (p.input_width - x).minimum(columns)
        with code.loop(0, tile_size) as row:
            inside = (y + row >= 0) & (y + row < p.input_height)
            with code.if_(inside & (first < stop)):
                add_row.call(
                    parameters=p,
                    input=input + row * p.input_stride_h,
                    sums=sums + row * p.sums_row_stride,
                    first=first,
                    stop=stop,
                    channels=channels,
                )

    return add_sums


def _emit_add_row(module: Module) -> Function:
    """Emit the function that adds to the sums of the columns [first, stop) of a row.

    A column's channels are added in vectors, whose lanes are summed for several columns at once.
    """

    @function(module)
    def add_row(
        code: Code,
        parameters: WinogradParameters[Value],
        input: Pointer,
        sums: Pointer,
        first: Value,
        stop: Value,
        channels: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        at_once = min(lanes, MAX_COLUMNS_AT_ONCE)
        with code.loop(0, stop, at_once) as column:
            # Columns outside are clamped; their sums are not used.
            pixels = [
                input + (column + index).maximum(first).minimum(stop - 1) * p.input_stride_w
                for index in range(at_once)
            ]
            totals = [code.variable(code.zeros()) for _ in pixels]
            remaining = channels % lanes
            with code.loop(0, channels - remaining, lanes) as c:
                for pixel, total in zip(pixels, totals, strict=True):
                    total.set(total.get() + code.absolute(pixel.vector(c)))
            with code.if_(remaining > 0):
                mask = code.first_lanes(remaining)
                for pixel, total in zip(pixels, totals, strict=True):
                    part = pixel.masked(mask, channels - remaining)
                    total.set(total.get() + code.absolute(part))
            by_column = code.sums_of_lanes([total.get() for total in totals])
            mask = range_mask(code, column, first, stop.minimum(column + at_once))
            added = code.select(mask, by_column, code.zeros())
            (sums + column)[0] = sums.vector(column) + added

    return add_row


def emit_test(module: Module, tile_outputs: int, stride: int, tile_size: int) -> Function:
    """Emit the function that stores for each tile of a strip 0 where it is flat, else 1.

    columns: the outputs of the strip that exist; rows likewise. Only theirs are tested.
    """
    padded_outputs = padded_to_lanes(tile_outputs**2, module)

    @function(module)
    def test(
        code: Code,
        parameters: WinogradParameters[Value],
        sums: Pointer,
        slack: Pointer,
        buffer: Pointer,
        uneven: Pointer,
        tiles: Value,
        rows: Value,
        columns: Value,
    ) -> None:
        p, zero = parameters, code.value(0.0, code.float)
        most = slack[tile_size**2 * padded_outputs]
        with code.loop(0, tiles) as tile:
            pixels = sums + tile * (tile_outputs * stride)
            total = code.variable(zero)
            slacks = [code.variable(code.zeros()) for _ in range(0, padded_outputs, code.lanes)]
            with code.loop(0, tile_size) as row:
                for j in range(tile_size):
                    pixel = pixels[row * p.sums_row_stride + j]
                    total.set(total.get() + pixel)
                    element = slack + (row * tile_size + j) * padded_outputs
                    for index, each in enumerate(slacks):
                        part = element.vector(index * code.lanes)
                        each.set(code.fma(code.broadcast(pixel), part, each.get()))
            for index, each in enumerate(slacks):
                (buffer + index * code.lanes)[0] = each.get()
            enough = code.variable(1)
            with (
                code.loop(0, rows) as row,
                code.loop(0, (columns - tile * tile_outputs).minimum(tile_outputs)) as column,
            ):
                reached = buffer[row * tile_outputs + column] >= zero
                enough.set(enough.get() & reached.as_int())
            flat = (total.get() <= most) & enough.get().equals(1)
            uneven[tile] = code.select(flat, zero, code.value(1.0, code.float))

    return test


def padded_to_lanes(number: int, module: Module) -> int:
    """Return the number rounded up to whole vectors."""
    lanes = module.target.lanes(module.dtype)
    return ceil(number / lanes) * lanes
