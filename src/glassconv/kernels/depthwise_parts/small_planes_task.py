"""The generated code of depthwise convolution of small NCHW planes, whose lanes are channels.

    window[y, x, lane] = plane[lane][y, x]     blocks of lanes × lanes, transposed in registers
    result[y, x, lane] = Σ window · weight     the tiles of NHWC
    output[lane][y, x] = result[y, x, lane]    transposed back; the epilogue is applied here

Padding is in the window: it is zeroed once, and pixels are stored where a table says.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.kernels.depthwise_parts.pack_weights import emit_pack_weights
from glassconv.kernels.depthwise_parts.register_tile import (
    TILE_SIZE,
    TapPattern,
    TapRow,
    accumulate_tap_row,
    for_each_tile,
)
from glassconv.kernels.depthwise_parts.small_planes import SmallPlanesParameters
from glassconv.kernels.depthwise_parts.transposition import blocks_of, rows_of, store_to_planes
from glassconv.kernels.microkernel.register_tile import tile_heights
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import Epilogue


def emit_task(module: Module, pattern: TapPattern, epilogue: Epilogue) -> Function:
    """Emit the task function: it computes consecutive units, each a block of channels."""
    pack_weights, load, store = (
        emit_pack_weights(module),
        _emit_load(module),
        _emit_store(module, epilogue),
    )
    tile_functions = {size: _emit_tile(module, pattern, size) for size in tile_heights(TILE_SIZE)}

    @function(module)
    def task(
        code: Code,
        parameters: SmallPlanesParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        weights = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        window, result = weights + p.window_offset, weights + p.result_offset
        with code.loop(p.window_offset, p.result_offset, code.lanes) as e:
            (weights + e)[0] = code.zeros()
        start = number * p.units_per_task
        with code.loop(start, (start + p.units_per_task).minimum(p.units)) as unit:
            image = unit // p.channel_blocks
            channel = (unit % p.channel_blocks * code.lanes).minimum(p.last_channel)
            pack_weights.call(
                weight=arrays.weight,
                bias=arrays.bias,
                packed=weights,
                taps=p.taps,
                first_filter=channel,
                filters=p.channels,
                unit_filters=code.lanes,
                bias_offset=p.bias_offset,
            )
            planes = arrays.input + (image * p.input_stride_n + channel * p.input_stride_c)
            load.call(parameters=p, planes=planes, window=window)

            def emit_call(_: int, tile: Function, column: Value) -> None:
                with code.loop(0, p.output_rows) as row:
                    tile.call(
                        parameters=p,
                        inputs=window + (row * p.row_stride + column * p.column_stride),
                        weights=weights,
                        output=result + (row * p.output_columns + column) * code.lanes,
                    )

            for_each_tile(code, p.output_columns, tile_functions, emit_call)
            output = arrays.output + (image * p.output_stride_n + channel * p.output_pixels)
            store.call(
                parameters=p,
                result=result,
                planes=output,
                residual_offset=residual_offset(arrays),
            )

    return task


def _emit_load(module: Module) -> Function:
    """Emit the function that transposes planes into the window."""

    @function(module)
    def load(
        code: Code, parameters: SmallPlanesParameters[Value], planes: Pointer, window: Pointer
    ) -> None:
        p = parameters
        positions = table_after(p) + p.kernel_height
        for pixel, mask in blocks_of(code, p.input_pixels):
            rows = rows_of(planes + pixel, p.input_stride_c, mask)
            for lane, row in enumerate(code.transpose(rows)):
                # A vector may end after the last pixel: the table has a place for that.
                window[positions[(pixel + lane).minimum(p.input_pixels)]] = row

    return load


def _emit_store(module: Module, epilogue: Epilogue) -> Function:
    """Emit the function that transposes results to the output's planes."""

    @function(module)
    def store(
        code: Code,
        parameters: SmallPlanesParameters[Value],
        result: Pointer,
        planes: Pointer,
        residual_offset: Value,
    ) -> None:
        pixels = parameters.output_pixels
        store_to_planes(code, result, planes, pixels, pixels, epilogue, residual_offset)

    return store


def _emit_tile(module: Module, pattern: TapPattern, size: int) -> Function:
    """Emit the function that computes `size` adjacent outputs of a row."""

    @function(module, f"tile_{size}")
    def tile(
        code: Code,
        parameters: SmallPlanesParameters[Value],
        inputs: Pointer,
        weights: Pointer,
        output: Pointer,
    ) -> None:
        p, lanes = parameters, code.lanes
        kernel_width, tap_stride, column_stride = p.kernel_width, p.tap_stride, p.column_stride
        row_of_taps = table_after(p)
        accumulators = [code.variable(weights.vector(p.bias_offset)) for _ in range(size)]
        with code.loop(0, p.kernel_height) as tap:
            row = TapRow(
                taps=kernel_width,
                weights=weights + tap * kernel_width * lanes,
                weight_stride=code.value(lanes),
                inputs=inputs + row_of_taps[tap],
                tap_stride=tap_stride,
                output_stride=column_stride,
            )
            accumulate_tap_row(
                code, accumulators, pattern, row, load_weight=lambda address: address.vector()
            )
        for index, total in enumerate(accumulators):
            output[index * lanes] = total.get()

    return tile
