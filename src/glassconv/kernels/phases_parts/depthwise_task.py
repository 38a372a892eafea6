"""The generated code of transposed depthwise convolution, whose lanes are channels.

    NHWC   tiles read the input and write the output
    NCHW   window[y, x, lane] = plane[lane][y, x]      blocks of lanes × lanes, transposed
           result[y, x, lane] = the tiles' sums
           output[lane][y, x] = result[y, x, lane]     transposed back; the epilogue is applied here

The outputs of a tile are neighbours in their phase, so all have the same taps. Those at the border
of the input have fewer, and a tile of their own. Padding is neither copied nor multiplied.
"""

from __future__ import annotations

from glassconv.codegen.ir import INT, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.kernels.depthwise_parts.pack_weights import emit_pack_weights
from glassconv.kernels.depthwise_parts.register_tile import (
    DYNAMIC,
    TILE_SIZE,
    TapPattern,
    TapRow,
    accumulate_tap_row,
)
from glassconv.kernels.depthwise_parts.transposition import blocks_of, rows_of, store_to_planes
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.register_tile import tile_heights
from glassconv.kernels.phases_parts.depthwise import (
    PHASE_WORDS,
    TapsOfPhase,
    TransposedDepthwiseParameters,
)
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW


def emit_task(module: Module, layout: str, epilogue: Epilogue) -> Function:
    """Emit the task function: it computes consecutive units, those of a channel block together."""
    is_nchw = layout == NCHW
    pack_weights = emit_pack_weights(module)
    compute = _emit_compute(module, NOTHING if is_nchw else epilogue)
    if is_nchw:
        load, store = _emit_load(module), _emit_store(module, epilogue)

    @function(module)
    def task(
        code: Code,
        parameters: TransposedDepthwiseParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        weights = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        start = number * p.units_per_task
        packed = code.variable(-1)  # the channel block whose weights are in the workspace
        with code.loop(start, (start + p.units_per_task).minimum(p.units)) as unit:
            column_block, index = unit % p.column_blocks, unit // p.column_blocks
            row_block, index = index % p.row_blocks, index // p.row_blocks
            image, channel_block = index % p.batch, index // p.batch
            channel = (channel_block * p.unit_channels).minimum(p.last_channel)
            with code.if_(packed.get() < channel_block):
                packed.set(channel_block)
                pack_weights.call(
                    weight=arrays.weight,
                    bias=arrays.bias,
                    packed=weights,
                    taps=p.taps,
                    first_filter=channel,
                    filters=p.channels,
                    unit_filters=p.unit_channels,
                    bias_offset=p.bias_offset,
                )
            row, column = row_block * p.unit_rows, column_block * p.unit_columns
            row_stop = (row + p.unit_rows).minimum(p.rows)
            column_stop = (column + p.unit_columns).minimum(p.columns)
            block = {"row": row, "row_stop": row_stop}
            block |= {"column": column, "column_stop": column_stop}
            input = arrays.input + (image * p.input_stride_n + channel * p.input_stride_c)
            output = arrays.output + (image * p.output_stride_n + channel * p.output_stride_c)
            if not is_nchw:
                compute.call(
                    parameters=p,
                    source=input,
                    weights=weights,
                    result=output + (row * p.result_stride_h + column * p.result_stride_w),
                    channels=(p.channels - channel).minimum(p.unit_channels),
                    residual_offset=residual_offset(arrays),
                    **block,
                )
                return
            top = (row // p.stride_h + p.least_h).maximum(0)
            bottom = ((row_stop - 1) // p.stride_h + p.most_h + 1).minimum(p.input_height)
            left = (column // p.stride_w + p.least_w).maximum(0)
            right = ((column_stop - 1) // p.stride_w + p.most_w + 1).minimum(p.input_width)
            window, result = weights + p.window_offset, weights + p.result_offset
            load.call(
                parameters=p,
                planes=input + (top * p.input_stride_h + left),
                window=window,
                rows=bottom - top,
                columns=right - left,
            )
            compute.call(
                parameters=p,
                source=window + (0 - top * p.source_stride_h - left * p.source_stride_w),
                weights=weights,
                result=result,
                channels=code.lanes,
                residual_offset=0,
                **block,
            )
            # Whole rows are adjacent in a plane, and so are their results.
            are_whole = (column_stop - column).equals(p.columns)
            rows, columns = row_stop - row, column_stop - column
            with code.loop(0, code.select(are_whole, code.value(1), rows)) as run:
                store.call(
                    parameters=p,
                    result=result + run * p.result_stride_h,
                    planes=output + ((row + run) * p.columns + column),
                    pixels=code.select(are_whole, rows * columns, columns),
                    residual_offset=residual_offset(arrays),
                )

    return task


def _emit_compute(module: Module, epilogue: Epilogue) -> Function:
    """Emit the function that computes a block of rows and columns, for a block of channels.

    `source` is where the input's row 0 and column 0 are or would be.
    """
    compute_columns = _emit_compute_columns(module, epilogue)

    @function(module)
    def compute(
        code: Code,
        parameters: TransposedDepthwiseParameters[Value],
        source: Pointer,
        weights: Pointer,
        result: Pointer,
        channels: Value,
        residual_offset: Value,
        row: Value,
        row_stop: Value,
        column: Value,
        column_stop: Value,
    ) -> None:
        p, table = parameters, table_after(parameters)
        start = row // p.stride_h  # the number of the block's first output in each phase
        with code.loop(0, p.row_phases.minimum(row_stop - row)) as phase:
            along = _phase(table, phase)
            stop = (row_stop - phase + p.stride_h - 1) // p.stride_h
            low, high = _with_all_taps(along, start, stop, p.input_height, p.step_h)

            def call(q: Value, rows: Value | int, u: Value, taps: Value) -> None:
                y = q + along.first - u * p.step_h
                first_tap = (along.tap + u * p.next_row_tap) * p.kernel_width
                place = phase + (q - start) * p.stride_h
                compute_columns.call(
                    parameters=p,
                    source=source + y * p.source_stride_h,
                    weights=weights + first_tap * p.unit_channels,
                    bias=weights + p.bias_offset,
                    result=result + place * p.result_stride_h,
                    rows=rows,
                    row_taps=taps,
                    channels=channels,
                    residual_offset=residual_offset,
                    column=column,
                    column_stop=column_stop,
                )

            for begin, end in ((start, low), (high, stop)):
                with code.loop(begin, end) as q:
                    call(q, 1, *_taps_inside(q, along, p.input_height, p.step_h))
            with code.if_(low < high):
                call(low, high - low, code.value(0), along.taps)

    return compute


def _emit_compute_columns(module: Module, epilogue: Epilogue) -> Function:
    """Emit the function that computes some rows of a phase, which have the same taps.

    `source` is where column 0 is or would be of the input that the first row reads through the
    first of them.
    """
    tile_functions = {size: _emit_tiles(module, size, epilogue) for size in tile_heights(TILE_SIZE)}

    @function(module)
    def compute_columns(
        code: Code,
        parameters: TransposedDepthwiseParameters[Value],
        source: Pointer,
        weights: Pointer,
        bias: Pointer,
        result: Pointer,
        rows: Value,
        row_taps: Value,
        channels: Value,
        residual_offset: Value,
        column: Value,
        column_stop: Value,
    ) -> None:
        p, table = parameters, table_after(parameters)
        start = column // p.stride_w
        with code.loop(0, p.column_phases.minimum(column_stop - column)) as phase:
            along = _phase(table, p.row_phases + phase)
            stop = (column_stop - phase + p.stride_w - 1) // p.stride_w
            low, high = _with_all_taps(along, start, stop, p.input_width, p.step_w)

            def call(size: int, q: Value, count: Value | int, v: Value, taps: Value) -> None:
                x = q + along.first - v * p.step_w
                first_tap = along.tap + v * p.next_column_tap
                place = phase + (q - start) * p.stride_w
                tile_functions[size].call(
                    parameters=p,
                    source=source + x * p.source_stride_w,
                    weights=weights + first_tap * p.unit_channels,
                    bias=bias,
                    result=result + place * p.result_stride_w,
                    rows=rows,
                    count=count,
                    row_taps=row_taps,
                    column_taps=taps,
                    channels=channels,
                    residual_offset=residual_offset,
                )

            for begin, end in ((start, low), (high, stop)):
                with code.loop(begin, end) as q:
                    call(1, q, 1, *_taps_inside(q, along, p.input_width, p.step_w))
            for size in tile_functions:
                count = (high - low) // size
                with code.if_(count > 0):
                    call(size, low, count, code.value(0), along.taps)
                low = low + count * size

    return compute_columns


def _phase(table: Pointer, number: Value) -> TapsOfPhase[Value]:
    words = table.cast(INT) + number * PHASE_WORDS
    return TapsOfPhase(*(words[place] for place in range(PHASE_WORDS)))


def _with_all_taps(
    phase: TapsOfPhase[Value], start: Value, stop: Value, size: Value, step: Value
) -> tuple[Value, Value]:
    """Return the range of the outputs of a phase, within another, whose taps all have an input."""
    low = (step * (phase.taps - 1) - phase.first).maximum(start).minimum(stop)
    return low, (size - phase.first).maximum(low).minimum(stop)


def _taps_inside(
    q: Value, phase: TapsOfPhase[Value], size: Value, step: Value
) -> tuple[Value, Value]:
    """Return the first tap of output q that has an input, and how many have one."""
    position = q + phase.first
    low = ((position - (size - 1)).maximum(0) + (step - 1)) // step
    stop = ((position + step).maximum(0) // step).minimum(phase.taps)
    return low, (stop - low).maximum(0)


def _emit_tiles(module: Module, size: int, epilogue: Epilogue) -> Function:
    """Emit the function that computes `count` tiles of `size` outputs, in each of some rows."""

    @function(module, f"tiles_{size}")
    def tiles(
        code: Code,
        parameters: TransposedDepthwiseParameters[Value],
        source: Pointer,
        weights: Pointer,
        bias: Pointer,
        result: Pointer,
        rows: Value,
        count: Value,
        row_taps: Value,
        column_taps: Value,
        channels: Value,
        residual_offset: Value,
    ) -> None:
        p, source_h, source_w = parameters, parameters.source_stride_h, parameters.source_stride_w
        row_step, tap_stride = 0 - p.step_h * source_h, 0 - p.step_w * source_w
        row_of_weights = p.next_row_tap * p.kernel_width * p.unit_channels
        weight_stride = p.next_column_tap * p.unit_channels
        # From an output of a phase to the next.
        next_row, next_column = p.stride_h * p.result_stride_h, p.stride_w * p.result_stride_w
        last_vector = channels - code.lanes  # it may overlap another
        with (
            code.loop(0, rows) as row,
            code.loop(0, count) as number,
            code.loop(0, channels, code.lanes) as lane,
        ):
            first, q = lane.minimum(last_vector), number * size
            inputs = source + (row * source_h + q * source_w + first)
            accumulators = [code.variable(bias.vector(first)) for _ in range(size)]
            with code.loop(0, row_taps) as u:
                tap_row = TapRow(
                    taps=column_taps,
                    weights=weights + (u * row_of_weights + first),
                    weight_stride=weight_stride,
                    inputs=inputs + u * row_step,
                    tap_stride=tap_stride,
                    output_stride=source_w,
                )
                accumulate_tap_row(
                    code,
                    accumulators,
                    TapPattern(DYNAMIC, DYNAMIC),
                    tap_row,
                    load_weight=lambda address: address.vector(),
                )
            result_ptr = result + (row * next_row + q * next_column + first)
            for accumulator in accumulators:
                result_ptr[0] = apply_epilogue(
                    code, epilogue, accumulator.get(), result_ptr, residual_offset
                )
                result_ptr = result_ptr + next_column

    return tiles


def _emit_load(module: Module) -> Function:
    """Emit the function that transposes rows of planes into the window."""

    @function(module)
    def load(
        code: Code,
        parameters: TransposedDepthwiseParameters[Value],
        planes: Pointer,
        window: Pointer,
        rows: Value,
        columns: Value,
    ) -> None:
        p = parameters
        with code.loop(0, rows) as row:
            source, to = planes + row * p.input_stride_h, window + row * p.source_stride_h
            for pixel, mask in blocks_of(code, columns):
                vectors = rows_of(source + pixel, p.input_stride_c, mask)
                for lane, vector in enumerate(code.transpose(vectors)):
                    to[(pixel + lane) * code.lanes] = vector

    return load


def _emit_store(module: Module, epilogue: Epilogue) -> Function:
    """Emit the function that transposes the results of adjacent pixels to the output's planes."""

    @function(module)
    def store(
        code: Code,
        parameters: TransposedDepthwiseParameters[Value],
        result: Pointer,
        planes: Pointer,
        pixels: Value,
        residual_offset: Value,
    ) -> None:
        stride = parameters.output_stride_c
        store_to_planes(code, result, planes, stride, pixels, epilogue, residual_offset)

    return store
