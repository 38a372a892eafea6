"""The generated code of depthwise convolution for NHWC.

The input is not copied: rows in the padding are skipped, and loads of columns in the padding are
masked. Each unit first packs its weights as [tap][channel]. That is cheap, so packed weights are
not cached.
"""

from __future__ import annotations

from collections.abc import Callable

from glassconv.codegen.ir import INT, WORDS, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.kernels.depthwise_parts.nhwc import ChannelAccess, NhwcParameters
from glassconv.kernels.depthwise_parts.register_tile import (
    DYNAMIC,
    TILE_SIZE,
    TapPattern,
    TapRow,
    accumulate_tap_row,
    for_each_tile,
)
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.register_tile import tile_heights
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import Epilogue

GATHER_TILE_SIZE = 2  # gathered loads need more registers


def emit_task(
    module: Module, pattern: TapPattern, channels: ChannelAccess, epilogue: Epilogue
) -> Function:
    """Emit the task function: it computes consecutive units."""
    pack_weights = _emit_pack_weights(module)
    store_masks = _emit_store_masks(module, pattern)
    largest = GATHER_TILE_SIZE if channels.has_multiplier else TILE_SIZE
    tile_functions = {
        size: _emit_tiles(module, pattern, channels, size, epilogue)
        for size in tile_heights(largest)
    }
    unmasked_tiles = None
    if channels.is_contiguous:
        unmasked_tiles = _emit_tiles(module, pattern, None, TILE_SIZE, epilogue)

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
        residual, masks = residual_offset(arrays), weights + p.weights_size
        start = number * p.units_per_task
        with code.loop(start, (start + p.units_per_task).minimum(p.units)) as unit:
            channel_block, index = unit % p.channel_blocks, unit // p.channel_blocks
            row_block, image = index % p.row_blocks, index // p.row_blocks
            filter = (channel_block * p.unit_channels).minimum(p.last_channel)
            first_row = (row_block * p.unit_rows).minimum(p.last_row)
            pack_weights.call(
                parameters=p, weight=weight, bias=bias, packed=weights, first_filter=filter
            )
            image_ptr = input + image * p.input_stride_n
            unit_output = output + (image * p.output_stride_n + filter)

            def emit_call(size: int, masked_tiles: Function, j: Value) -> None:
                left = j * p.stride_w - p.padding_w
                input_ptr = image_ptr + left * p.input_stride_w
                output_ptr = unit_output + j * p.filters

                def call_for_each_row(tiles: Function) -> None:
                    with code.loop(first_row, first_row + p.unit_rows) as i:
                        tiles.call(
                            parameters=p,
                            input=input_ptr,
                            weights=weights,
                            masks=masks,
                            output=output_ptr + i * p.output_stride_h,
                            residual_offset=residual,
                            top=i * p.stride_h - p.padding_h,
                            first_filter=filter,
                        )

                def call_masked() -> None:
                    is_dynamic = pattern.taps == DYNAMIC
                    loads = p.kernel_width * size if is_dynamic else pattern.inputs(size)
                    store_masks.call(parameters=p, masks=masks, left=left, loads=loads)
                    call_for_each_row(masked_tiles)

                if size != TILE_SIZE or unmasked_tiles is None:
                    call_masked()
                    return
                reach = p.stride_w * (size - 1) + (p.kernel_width - 1) * p.dilation_w
                with code.if_((left >= 0) & (left + reach < p.input_width)):
                    call_for_each_row(unmasked_tiles)
                with code.else_():
                    call_masked()

            for_each_tile(code, p.output_width, tile_functions, emit_call)

    return task


def _emit_store_masks(module: Module, pattern: TapPattern) -> Function:
    """Emit the function that computes the load masks of a tile, which are false in the padding.

    Load i reads column `left` + i. With a dynamic tap pattern, load o · kernel_width + v reads tap
    v of output o.
    """

    @function(module)
    def store_masks(
        code: Code,
        parameters: NhwcParameters[Value],
        masks: Pointer,
        left: Value,
        loads: Value,
    ) -> None:
        p, words = parameters, masks.cast(WORDS[module.dtype])
        with code.loop(0, loads) as load:
            if pattern.taps == DYNAMIC:
                output, tap = load // p.kernel_width, load % p.kernel_width
                x = left + output * p.stride_w + tap * p.dilation_w
            else:
                x = left + load
            inside = (x >= 0) & (x < p.input_width)
            lanes = code.first_lanes(code.select(inside, p.valid_lanes, 0))
            words[load * code.lanes] = lanes.as_words()

    return store_masks


def _emit_tiles(
    module: Module,
    pattern: TapPattern,
    channels: ChannelAccess | None,
    size: int,
    epilogue: Epilogue,
) -> Function:
    """Emit the function that computes `size` adjacent outputs, for all channel vectors of a unit.

    channels: None for the function without masks, whose loads are all inside the input.
    Parameters of the function: `input` is the first column of the first window, in row 0; `top` is
    the first row of the windows.
    """

    @function(module, f"masked_tiles_{size}" if channels else f"tiles_{size}")
    def tiles(
        code: Code,
        parameters: NhwcParameters[Value],
        input: Pointer,
        weights: Pointer,
        masks: Pointer,
        output: Pointer,
        residual_offset: Value,
        top: Value,
        first_filter: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        unit_channels, filters = p.unit_channels, p.filters
        kernel_height, kernel_width, input_height = p.kernel_height, p.kernel_width, p.input_height
        tap_stride, window_stride_w, stride_h = p.tap_stride, p.window_stride_w, p.input_stride_h
        dilation_h = p.dilation_h
        has_multiplier = channels is not None and channels.has_multiplier
        words = masks.cast(WORDS[module.dtype])
        bias, window = weights + (p.weights_size - unit_channels), input + top * stride_h
        # A table, because LLVM would keep one address per row in registers and spill them.
        offsets = table_after(p)
        with code.loop(0, unit_channels, lanes) as lane:
            filter_indices = code.lane_numbers(INT) + code.broadcast(first_filter + lane)
            channel = filter_indices
            if has_multiplier:
                channel = filter_indices // code.broadcast(p.multiplier)
            load = _input_loader(code, words, channels, channel)
            accumulators = [code.variable((bias + lane).vector()) for _ in range(size)]
            if pattern.stride == 1:  # the next row; with stride 2 this gains nothing
                next_row = window + (kernel_height * stride_h + first_filter + lane)
                for _ in range(pattern.inputs(size)):
                    next_row.prefetch()
                    next_row = next_row + tap_stride
            with code.loop(0, kernel_height) as u:
                y = top + u * dilation_h
                with code.if_((y >= 0) & (y < input_height)):
                    row = window + offsets[u]
                    tap_row = TapRow(
                        taps=kernel_width,
                        weights=weights + (u * kernel_width * unit_channels + lane),
                        weight_stride=unit_channels,
                        inputs=row if has_multiplier else row + (first_filter + lane),
                        tap_stride=tap_stride,
                        output_stride=window_stride_w,
                    )
                    accumulate_tap_row(
                        code,
                        accumulators,
                        pattern,
                        tap_row,
                        load_weight=lambda address: address.vector(),
                        load_input=load,
                    )
            output_ptr = output + lane
            for accumulator in accumulators:
                if channels and channels.is_partial_vector:
                    mask = code.first_lanes(p.valid_lanes)
                    sums = apply_epilogue(
                        code, epilogue, accumulator.get(), output_ptr, residual_offset, mask
                    )
                    output_ptr.store_masked(mask, sums)
                else:
                    output_ptr[0] = apply_epilogue(
                        code, epilogue, accumulator.get(), output_ptr, residual_offset
                    )
                output_ptr = output_ptr + filters

    return tiles


def _input_loader(
    code: Code, masks: Pointer, channels: ChannelAccess | None, channel: Value
) -> Callable[[Pointer, Value], Value]:
    """Return a Python function that emits a load of a vector: unmasked, masked, or gathered."""

    def load(address: Pointer, index: Value) -> Value:
        if channels is None:
            return address.vector()
        mask = masks.vector(index * code.lanes) < 0
        return address.at(channel, mask) if channels.has_multiplier else address.masked(mask)

    return load


def _emit_pack_weights(module: Module) -> Function:
    """Emit the function that packs a unit's weights as [tap][filter], followed by its bias."""

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
            packed_bias = p.weights_size - unit_channels + column
            packed[packed_bias] = (bias + (first_filter + column)).masked(mask)

    return pack_weights
