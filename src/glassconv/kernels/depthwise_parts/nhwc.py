"""depthwise for NHWC: lanes are channels, a tile is some pixels of a row.

A unit of work is a block of rows of some channels. Nothing of the picture is copied: rows beyond
it are skipped, and pixels beyond a row are loads that a mask keeps from memory. A unit's weights
are laid out [tap][channel] first: they are few, so nothing has to be kept, and nothing that was
kept can be out of date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.ir import INT, POINTER, WORDS, Code, Module, Pointer, Value
from glassconv.codegen.legacy import LegacyCode, Sizes, addresses, to_residual
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.register_tile import (
    ANY,
    HEIGHT,
    Line,
    Steps,
    add_line,
    cover,
    heights,
)
from glassconv.kernels.microkernel.epilogue import finished
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import Layout

NAMES = (
    *("units", "group", "filters", "multiplier", "taps"),
    *("in_h", "in_w", "stride_h", "stride_w", "padding_h", "padding_w", "dilation_h", "dilation_w"),
    *("input_n", "input_h", "input_w", "output_n", "output_h", "out_w"),
    *("block_h", "blocks_h", "last_h", "block_c", "blocks_c", "last_c", "valid"),
    *("kernel_h", "kernel_w", "tap_step", "output_step", "weights", "workspace"),
)
MOST_VECTORS = 6  # of channels in a unit
ROWS = 7  # in a unit, at most
LOWEST = 2  # of tiles whose pixels are gathered, which takes registers


def sizes(problem: ConvProblem, layout: Layout, target: Target) -> tuple[dict[str, int], list[int]]:
    """Return the kernel's numbers but for the group."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    rows, columns = problem.axes
    out_h, out_w = problem.output_size
    filters, taps = problem.out_channels, prod(problem.kernel_size)
    per_channel = taps + rows.kernel_size * (HEIGHT * columns.stride + columns.kernel_size)
    block_c = _block_c(filters, lanes, target.l1 // 2 // element // per_channel)
    blocks_c = ceil(filters / block_c)
    block_h = ceil(out_h / ceil(out_h / ROWS))
    blocks_h = ceil(out_h / block_h)
    weights = (ceil(taps / lanes) * lanes + 1) * block_c
    most_pixels = max(HEIGHT * columns.kernel_size, 2 * HEIGHT + columns.kernel_size)
    of_batch, _, of_row, of_column = layout.strides
    size = {
        "units": problem.batch * blocks_c * blocks_h,
        "filters": filters,
        "multiplier": problem.gemm.m,
        "taps": taps,
        "in_h": rows.input_size,
        "in_w": columns.input_size,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "padding_h": rows.padding[0],
        "padding_w": columns.padding[0],
        "dilation_h": rows.dilation,
        "dilation_w": columns.dilation,
        "input_n": of_batch,
        "input_h": of_row,
        "input_w": of_column,
        "output_n": out_h * out_w * filters,
        "output_h": out_w * filters,
        "out_w": out_w,
        "block_h": block_h,
        "blocks_h": blocks_h,
        "last_h": out_h - block_h,
        "block_c": block_c,
        "blocks_c": blocks_c,
        "last_c": max(filters - block_c, 0),
        "valid": min(filters, lanes),
        "kernel_h": rows.kernel_size,
        "kernel_w": columns.kernel_size,
        "tap_step": columns.dilation * of_column,
        "output_step": columns.stride * of_column,
        "weights": weights,
        "workspace": ceil((weights + most_pixels * lanes) * element / 64) * 64,
    }
    return size, [tap * rows.dilation * of_row for tap in range(rows.kernel_size)]


def _block_c(filters: int, lanes: int, fit: int) -> int:
    """Return how many channels a unit has: whole vectors that overlap little and are not too few.

    >>> [_block_c(filters, lanes=8, fit=99) for filters in (3, 32, 96, 100, 144)]
    [8, 32, 48, 40, 48]
    """
    most = max(1, min(filters, MOST_VECTORS * lanes, fit) // lanes)
    blocks = [vectors * lanes for vectors in range(1, most + 1)]
    return min(blocks, key=lambda block: ceil(filters / block) * (block + lanes))


def group(size: dict[str, int], tasks: int) -> int:
    """Return how many units a task has: all channels of some rows, if those are enough tasks.

    Two threads that write the same pixels' channels would wait for each other's lines of cache.
    """
    of_rows = size["units"] // size["blocks_c"]
    if of_rows >= tasks:
        return size["blocks_c"] * (of_rows // tasks)
    return max(1, ceil(size["units"] / tasks))


def loops(problem: ConvProblem, size: dict[str, int], lanes: int) -> tuple[str, ...]:
    """Return what the kernel does with these sizes, a line for each loop."""
    kernel_h, kernel_w = problem.kernel_size
    return describe_loop_nest(
        f"for {size['units']:,} blocks of {size['block_h']:,} rows of {size['block_c']:,} "
        f"channels, {size['group']:,} in a task",
        [
            "lay out their weights, [tap][channel], in the workspace",
            f"for {at_a_time(size['out_w'], 'columns of outputs', HEIGHT)}",
        ],
        f"for {size['block_h']:,} rows",
        f"for {at_a_time(size['block_c'], 'channels', lanes)}",
        f"for {kernel_h} rows of {kernel_w} taps: the register tile, one vector wide",
    )


@dataclass(frozen=True)
class Channels:
    """How the pixels of some filters are loaded."""

    few: bool  # there are fewer than lanes
    multiplied: bool  # several filters read one channel

    @property
    def plain(self) -> bool:
        """Return whether whole vectors are loaded where no padding is."""
        return not (self.few or self.multiplied)


def channels_of(problem: ConvProblem, lanes: int) -> Channels:
    """Return how a problem's pixels are loaded."""
    return Channels(problem.out_channels < lanes, problem.gemm.m > 1)


def task(module: Module, steps: Steps, channels: Channels, epilogue: Epilogue) -> Code:
    """Write the task: a group of units, one after the other."""
    pack = _packer(module)
    mask = _masker(module, steps)
    tallest = LOWEST if channels.multiplied else HEIGHT
    made = {h: _tiles(module, steps, channels, h, epilogue) for h in heights(tallest)}
    inner = _tiles(module, steps, None, HEIGHT, epilogue) if channels.plain else None
    code = LegacyCode(module, "task", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, thread = code.arguments()
    size = Sizes(code, plan, NAMES)
    input, weight, bias, output, workspace = addresses(code, arrays)
    weights, distance = workspace.add_bytes(thread * size.workspace), to_residual(code, arrays)
    masks = weights + size.weights
    start = number * size.group
    with code.loop(start, (start + size.group).minimum(size.units)) as unit:
        part, rest = unit % size.blocks_c, unit // size.blocks_c
        block, batch = rest % size.blocks_h, rest // size.blocks_h
        filter = (part * size.block_c).minimum(size.last_c)
        first = (block * size.block_h).minimum(size.last_h)
        code.call_function(pack, plan, weight, bias, weights, filter)
        picture = input + batch * size.input_n
        first_result = output + (batch * size.output_n + filter)

        def call(height: int, tiles: Code, j: Value) -> None:
            left = j * size.stride_w - size.padding_w
            corner, place = picture + left * size.input_w, first_result + j * size.filters

            def column(tiles: Code) -> None:
                with code.loop(first, first + size.block_h) as i:
                    top = i * size.stride_h - size.padding_h
                    result = place + i * size.output_h
                    given = [plan, corner, weights, masks, result, distance, top, filter]
                    code.call_function(tiles, *given)

            def edge() -> None:
                known = code.value(steps.pixels(height))
                loads = size.kernel_w * height if steps.taps == ANY else known
                code.call_function(mask, plan, masks, left, loads)
                column(tiles)

            if height == HEIGHT and inner:
                reach = size.stride_w * (height - 1) + (size.kernel_w - 1) * size.dilation_w
                inside = (left >= 0) & (left + reach < size.in_w)
                with code.either(inside) as (within, on_edge):
                    with within:
                        column(inner)
                    with on_edge:
                        edge()
            else:
                edge()

        cover(code, size.out_w, made, call)
    code.finish()
    return code


def _masker(module: Module, steps: Steps) -> Code:
    """Write the function that notes which lanes of a tile's loads are in the picture.

    It takes (plan, masks, first column, loads). A load is of the next column or, where each tap
    loads its pixels, of output o's tap v by number o · kernel_w + v.
    """
    code = LegacyCode(module, "mask", [POINTER] * 2 + [INT] * 2)
    plan, masks, left, loads = code.arguments()
    size = Sizes(code, plan, NAMES)
    word = WORDS[module.dtype]
    kept = Pointer(code, masks.raw, word)
    with code.loop(0, loads) as load:
        if steps.taps == ANY:
            output, tap = load // size.kernel_w, load % size.kernel_w
            x = left + output * size.stride_w + tap * size.dilation_w
        else:
            x = left + load
        inside = (x >= 0) & (x < size.in_w)
        lanes = code.first_lanes(code.select(inside, size.valid, 0))
        kept[load * code.lanes] = lanes.as_words()
    code.finish()
    return code


def _tiles(
    module: Module, steps: Steps, channels: Channels | None, height: int, epilogue: Epilogue
) -> Code:
    """Write tiles of `height` pixels of a row, one for each vector of a unit's channels.

    channels: None where all pixels are in the picture, and no load needs a mask.

    It takes (plan, picture at the first column, weights, masks, output, distance to the residual,
    first row, first filter).
    """
    name = f"tiles_{height}" if channels else f"inner_{height}"
    code = LegacyCode(module, name, [POINTER] * 5 + [INT] * 3)
    plan, picture, weights, masks, output, distance, top, filter = code.arguments()
    size = Sizes(code, plan, NAMES)
    lanes, block_c, filters = code.lanes, size.block_c, size.filters
    kernel_h, kernel_w, in_h = size.kernel_h, size.kernel_w, size.in_h
    tap_step, output_step, input_h = size.tap_step, size.output_step, size.input_h
    dilation_h = size.dilation_h
    multiplied = channels is not None and channels.multiplied
    words = Pointer(code, masks.raw, WORDS[module.dtype])
    bias, corner = weights + (size.weights - block_c), picture + top * input_h
    # A table, for LLVM would keep every pixel's address instead, and these in memory.
    positions = Pointer(code, plan.raw, INT) + len(NAMES)
    with code.loop(0, block_c, lanes) as lane:
        numbers = code.lane_numbers(INT) + code.spread(filter + lane)
        channel = numbers // code.spread(size.multiplier) if multiplied else numbers
        load = _loader(code, words, channels, channel)
        totals = [code.variable((bias + lane).vector()) for _ in range(height)]
        if steps.stride == 1:  # the row below, for the next tile; with stride 2 it does not help
            below = corner + (kernel_h * input_h + filter + lane)
            for _ in range(steps.pixels(height)):
                below.prefetch()
                below = below + tap_step
        with code.loop(0, kernel_h) as u:
            y = top + u * dilation_h
            with code.when((y >= 0) & (y < in_h)):
                row = corner + positions[u]
                line = Line(
                    taps=kernel_w,
                    weights=weights + (u * kernel_w * block_c + lane),
                    weight_step=block_c,
                    pixels=row if multiplied else row + (filter + lane),
                    tap_step=tap_step,
                    output_step=output_step,
                )
                add_line(code, totals, steps, line, weight=lambda place: place.vector(), pixel=load)
        place = output + lane
        for total in totals:
            if channels and channels.few:
                mask = code.first_lanes(size.valid)
                kept = finished(code, epilogue, total.get(), place, distance, mask)
                place.store_masked(mask, kept)
            else:
                place[0] = finished(code, epilogue, total.get(), place, distance)
            place = place + filters
    code.finish()
    return code


def _loader(
    code: Code, masks: Pointer, channels: Channels | None, channel: Value
) -> Callable[[Pointer, Value], Value]:
    """Return what loads the pixel of a number: all of it, its masked lanes, or these channels."""

    def load(place: Pointer, number: Value) -> Value:
        if channels is None:
            return place.vector()
        mask = masks.vector(number * code.lanes) < 0
        return place.at(channel, mask) if channels.multiplied else place.masked(mask)

    return load


def _packer(module: Module) -> Code:
    """Write the function that lays a block's weights out [tap][filter], and its bias after them.

    It takes (plan, weight, bias, packed, first filter).
    """
    code = LegacyCode(module, "pack_weights", [POINTER] * 4 + [INT])
    plan, weight, bias, packed, first = code.arguments()
    size = Sizes(code, plan, NAMES)
    lanes, taps, block_c, last = code.lanes, size.taps, size.block_c, size.filters - 1
    with code.loop(0, block_c, lanes) as column:
        with code.loop(0, taps, lanes) as tap:
            mask = code.first_lanes(taps - tap)
            rows = [
                (weight + ((first + column + i).minimum(last) * taps + tap)).masked(mask)
                for i in range(lanes)
            ]
            for i, row in enumerate(code.transpose(rows)):
                packed[(tap + i) * block_c + column] = row
        mask = code.first_lanes(size.filters - first - column)
        packed[size.weights - block_c + column] = (bias + (first + column)).masked(mask)
    code.finish()
    return code
