"""depthwise for NHWC: lanes are channels, a tile is some pixels of a row.

A unit of work is a block of rows of some channels. Nothing of the input is copied: rows outside of
it are skipped, and pixels outside of a row are loads that a mask keeps from memory. A unit's
weights are laid out [tap][channel] first: they are few, so they are not cached, and none can be out
of date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.ir import INT, WORDS, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct, table_after
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.blocking import DepthwiseBlocking
from glassconv.kernels.depthwise_parts.register_tile import (
    ANY,
    HEIGHT,
    Line,
    Steps,
    add_line,
    cover,
)
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.microkernel.register_tile import tile_heights
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.kernels.runtime.parameters import Arrays, residual_distance
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import Layout

MOST_VECTORS = 6  # of channels in a unit
MOST_ROWS = 7  # in a unit
LOW_HEIGHT = 2  # of tiles whose pixels are gathered, which takes registers


@dataclass(frozen=True)
class NhwcParameters(Struct[N]):
    """What the kernel reads; after it is a table of the offsets of the rows of taps."""

    units: N
    task_units: N
    filters: N
    multiplier: N  # filters of a channel
    taps: N
    input_height: N
    input_width: N
    stride_h: N
    stride_w: N
    padding_h: N
    padding_w: N
    dilation_h: N
    dilation_w: N
    input_stride_n: N
    input_stride_h: N
    input_stride_w: N
    output_stride_n: N
    output_stride_h: N
    output_width: N
    unit_rows: N
    units_per_column: N
    last_row: N  # where the last unit begins
    unit_channels: N
    units_per_pixel: N
    last_channel: N
    valid_lanes: N
    kernel_height: N
    kernel_width: N
    tap_stride: N
    pixel_stride: N  # in the input, from one output to the next
    weights_size: N  # elements, the bias included
    workspace_bytes: N


def _weights_size(problem: ConvProblem, lanes: int, channels: int) -> int:
    return (round_up(prod(problem.kernel_size), lanes) + 1) * channels


def blocking(problem: ConvProblem, layout: Layout, target: Target, tasks: int) -> DepthwiseBlocking:
    """Return the blocks of a problem of two axes that is cut into so many tasks.

    A task has all channels of some rows, if those are enough tasks: two threads that write the same
    pixels' channels would wait for each other's cache lines.
    """
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    rows, columns = problem.axes
    height, width = problem.output_size
    taps = prod(problem.kernel_size)
    per_channel = taps + rows.kernel_size * (HEIGHT * columns.stride + columns.kernel_size)
    filters = problem.out_channels
    channels = _unit_channels(filters, lanes, target.l1 // 2 // element // per_channel)
    unit_rows = ceil(height / ceil(height / MOST_ROWS))
    units_per_pixel = ceil(filters / channels)
    rows_of_units = problem.batch * ceil(height / unit_rows)
    if rows_of_units >= tasks:
        task_units = units_per_pixel * (rows_of_units // tasks)
    else:
        task_units = max(1, ceil(rows_of_units * units_per_pixel / tasks))
    most_pixels = max(HEIGHT * columns.kernel_size, 2 * HEIGHT + columns.kernel_size)
    used = _weights_size(problem, lanes, channels) + most_pixels * lanes
    return DepthwiseBlocking(
        unit_rows=unit_rows,
        unit_columns=width,
        unit_channels=channels,
        task_units=task_units,
        windows=0,
        workspace_bytes=round_up(used * element, CACHE_LINE),
    )


def _unit_channels(filters: int, lanes: int, most: int) -> int:
    """Return how many channels a unit has: whole vectors that overlap little and are not too few.

    >>> [_unit_channels(filters, lanes=8, most=99) for filters in (3, 32, 96, 100, 144)]
    [8, 32, 48, 40, 48]
    """
    most_vectors = max(1, min(filters, MOST_VECTORS * lanes, most) // lanes)
    sizes = [vectors * lanes for vectors in range(1, most_vectors + 1)]
    return min(sizes, key=lambda size: ceil(filters / size) * (size + lanes))


def parameters_of(
    problem: ConvProblem, layout: Layout, target: Target, cut: DepthwiseBlocking
) -> tuple[NhwcParameters[int], tuple[int, ...]]:
    """Return the parameters of a problem of two axes, and the offsets of the rows of taps."""
    lanes = target.lanes(problem.dtype)
    rows, columns = problem.axes
    height, width = problem.output_size
    filters, channels = problem.out_channels, cut.unit_channels
    units_per_pixel, units_per_column = ceil(filters / channels), ceil(height / cut.unit_rows)
    stride_n, _, stride_h, stride_w = layout.strides
    parameters = NhwcParameters(
        units=problem.batch * units_per_pixel * units_per_column,
        task_units=cut.task_units,
        filters=filters,
        multiplier=problem.gemm.m,
        taps=prod(problem.kernel_size),
        input_height=rows.input_size,
        input_width=columns.input_size,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        dilation_w=columns.dilation,
        input_stride_n=stride_n,
        input_stride_h=stride_h,
        input_stride_w=stride_w,
        output_stride_n=height * width * filters,
        output_stride_h=width * filters,
        output_width=width,
        unit_rows=cut.unit_rows,
        units_per_column=units_per_column,
        last_row=height - cut.unit_rows,
        unit_channels=channels,
        units_per_pixel=units_per_pixel,
        last_channel=max(filters - channels, 0),
        valid_lanes=min(filters, lanes),
        kernel_height=rows.kernel_size,
        kernel_width=columns.kernel_size,
        tap_stride=columns.dilation * stride_w,
        pixel_stride=columns.stride * stride_w,
        weights_size=_weights_size(problem, lanes, channels),
        workspace_bytes=cut.workspace_bytes,
    )
    return parameters, tuple(tap * rows.dilation * stride_h for tap in range(rows.kernel_size))


def loops(problem: ConvProblem, units: int, cut: DepthwiseBlocking, lanes: int) -> tuple[str, ...]:
    """Return what the kernel does with these blocks, a line for each loop."""
    kernel_height, kernel_width = problem.kernel_size
    return describe_loop_nest(
        f"for {units:,} blocks of {cut.unit_rows:,} rows of {cut.unit_channels:,} "
        f"channels, {cut.task_units:,} in a task",
        [
            "lay out their weights, [tap][channel], in the workspace",
            f"for {at_a_time(cut.unit_columns, 'columns of outputs', HEIGHT)}",
        ],
        f"for {cut.unit_rows:,} rows",
        f"for {at_a_time(cut.unit_channels, 'channels', lanes)}",
        f"for {kernel_height} rows of {kernel_width} taps: the register tile, one vector wide",
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


# -- in machine code --------------------------------------------------------------------------


def task_function(module: Module, steps: Steps, channels: Channels, epilogue: Epilogue) -> Function:
    """Write the task: some units, one after the other."""
    pack_weights = _weights_packer(module)
    write_masks = _masks_writer(module, steps)
    tallest = LOW_HEIGHT if channels.multiplied else HEIGHT
    tiles = {h: _tiles(module, steps, channels, h, epilogue) for h in tile_heights(tallest)}
    inner = _tiles(module, steps, None, HEIGHT, epilogue) if channels.plain else None

    @function(module)
    def task(
        code: Code,
        parameters: NhwcParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        input, weight, bias, output = arrays.input, arrays.weight, arrays.bias, arrays.output
        weights = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        distance, masks = residual_distance(arrays), weights + p.weights_size
        start = number * p.task_units
        with code.loop(start, (start + p.task_units).minimum(p.units)) as unit:
            part, rest = unit % p.units_per_pixel, unit // p.units_per_pixel
            block, image = rest % p.units_per_column, rest // p.units_per_column
            filter = (part * p.unit_channels).minimum(p.last_channel)
            first_row = (block * p.unit_rows).minimum(p.last_row)
            pack_weights.call(
                parameters=p, weight=weight, bias=bias, packed=weights, first_filter=filter
            )
            first_pixel = input + image * p.input_stride_n
            first_output = output + (image * p.output_stride_n + filter)

            def call(height: int, function: Function, j: Value) -> None:
                left = j * p.stride_w - p.padding_w
                pixel, place = first_pixel + left * p.input_stride_w, first_output + j * p.filters

                def compute_column(function: Function) -> None:
                    with code.loop(first_row, first_row + p.unit_rows) as i:
                        function.call(
                            parameters=p,
                            input=pixel,
                            weights=weights,
                            masks=masks,
                            output=place + i * p.output_stride_h,
                            residual_distance=distance,
                            top=i * p.stride_h - p.padding_h,
                            first_filter=filter,
                        )

                def compute_edge() -> None:
                    is_loop = steps.taps == ANY
                    loads = p.kernel_width * height if is_loop else steps.pixels(height)
                    write_masks.call(parameters=p, masks=masks, left=left, loads=loads)
                    compute_column(function)

                if height != HEIGHT or inner is None:
                    compute_edge()
                    return
                reach = p.stride_w * (height - 1) + (p.kernel_width - 1) * p.dilation_w
                with code.if_((left >= 0) & (left + reach < p.input_width)):
                    compute_column(inner)
                with code.else_():
                    compute_edge()

            cover(code, p.output_width, tiles, call)

    return task


def _masks_writer(module: Module, steps: Steps) -> Function:
    """Write the function that stores which lanes of a tile's loads are inside the input.

    A load is of the next column, from `left` on; or, where each tap loads its pixels, load number
    o · kernel_width + v is of output o's tap v.
    """

    @function(module)
    def mask(
        code: Code,
        parameters: NhwcParameters[Value],
        masks: Pointer,
        left: Value,
        loads: Value,
    ) -> None:
        p, words = parameters, masks.cast(WORDS[module.dtype])
        with code.loop(0, loads) as load:
            if steps.taps == ANY:
                output, tap = load // p.kernel_width, load % p.kernel_width
                x = left + output * p.stride_w + tap * p.dilation_w
            else:
                x = left + load
            inside = (x >= 0) & (x < p.input_width)
            lanes = code.first_lanes(code.select(inside, p.valid_lanes, 0))
            words[load * code.lanes] = lanes.as_words()

    return mask


def _tiles(
    module: Module, steps: Steps, channels: Channels | None, height: int, epilogue: Epilogue
) -> Function:
    """Write tiles of `height` pixels of a row, one for each vector of a unit's channels.

    channels: None where all pixels are inside the input, and no load needs a mask. In generated
    code, `input` is the first output's first pixel in row 0, and `top` the first row of its window.
    """

    @function(module, f"tiles_{height}" if channels else f"inner_{height}")
    def tiles(
        code: Code,
        parameters: NhwcParameters[Value],
        input: Pointer,
        weights: Pointer,
        masks: Pointer,
        output: Pointer,
        residual_distance: Value,
        top: Value,
        first_filter: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        unit_channels, filters = p.unit_channels, p.filters
        kernel_height, kernel_width, input_height = p.kernel_height, p.kernel_width, p.input_height
        tap_stride, pixel_stride, stride_h = p.tap_stride, p.pixel_stride, p.input_stride_h
        dilation_h = p.dilation_h
        multiplied = channels is not None and channels.multiplied
        words = masks.cast(WORDS[module.dtype])
        bias, corner = weights + (p.weights_size - unit_channels), input + top * stride_h
        # A table, for LLVM would keep every pixel's address instead, and spill them.
        offsets = table_after(p)
        with code.loop(0, unit_channels, lanes) as lane:
            numbers = code.lane_numbers(INT) + code.broadcast(first_filter + lane)
            channel = numbers // code.broadcast(p.multiplier) if multiplied else numbers
            load = _loader(code, words, channels, channel)
            totals = [code.variable((bias + lane).vector()) for _ in range(height)]
            if steps.stride == 1:  # the row below, for the next tile; with stride 2 no gain
                below = corner + (kernel_height * stride_h + first_filter + lane)
                for _ in range(steps.pixels(height)):
                    below.prefetch()
                    below = below + tap_stride
            with code.loop(0, kernel_height) as u:
                y = top + u * dilation_h
                with code.if_((y >= 0) & (y < input_height)):
                    row = corner + offsets[u]
                    line = Line(
                        taps=kernel_width,
                        weights=weights + (u * kernel_width * unit_channels + lane),
                        weight_stride=unit_channels,
                        pixels=row if multiplied else row + (first_filter + lane),
                        tap_stride=tap_stride,
                        output_stride=pixel_stride,
                    )
                    add_line(
                        code, totals, steps, line, weight=lambda place: place.vector(), pixel=load
                    )
            place = output + lane
            for total in totals:
                if channels and channels.few:
                    mask = code.first_lanes(p.valid_lanes)
                    sums = apply_epilogue(
                        code, epilogue, total.get(), place, residual_distance, mask
                    )
                    place.store_masked(mask, sums)
                else:
                    place[0] = apply_epilogue(code, epilogue, total.get(), place, residual_distance)
                place = place + filters

    return tiles


def _loader(
    code: Code, masks: Pointer, channels: Channels | None, channel: Value
) -> Callable[[Pointer, Value], Value]:
    """Return what loads the pixel of a number: all of it, its masked lanes, or some channels."""

    def load(place: Pointer, number: Value) -> Value:
        if channels is None:
            return place.vector()
        mask = masks.vector(number * code.lanes) < 0
        return place.at(channel, mask) if channels.multiplied else place.masked(mask)

    return load


def _weights_packer(module: Module) -> Function:
    """Write the function that lays a unit's weights out [tap][filter], and its bias after them."""

    @function(module)
    def pack_weights(
        code: Code,
        parameters: NhwcParameters[Value],
        weight: Pointer,
        bias: Pointer,
        packed: Pointer,
        first_filter: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        taps, unit_channels, last = p.taps, p.unit_channels, p.filters - 1
        with code.loop(0, unit_channels, lanes) as column:
            with code.loop(0, taps, lanes) as tap:
                mask = code.first_lanes(taps - tap)
                rows = []
                for i in range(lanes):
                    filter = (first_filter + column + i).minimum(last)
                    rows.append((weight + (filter * taps + tap)).masked(mask))
                for i, row in enumerate(code.transpose(rows)):
                    packed[(tap + i) * unit_channels + column] = row
            mask = code.first_lanes(p.filters - first_filter - column)
            place = p.weights_size - unit_channels + column
            packed[place] = (bias + (first_filter + column)).masked(mask)

    return pack_weights
