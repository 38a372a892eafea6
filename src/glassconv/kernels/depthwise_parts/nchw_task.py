"""The generated code of depthwise convolution for NCHW.

The input window of a unit, with its padding, is copied into the thread's workspace, and the outputs
are computed from there. Small planes are copied several at a time, because loads that follow a
recent store to the same address are slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.kernels.depthwise_parts.nchw import NchwParameters
from glassconv.kernels.depthwise_parts.padded_copy import emit_copy_plane
from glassconv.kernels.depthwise_parts.register_tile import (
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

NO_LIMIT = 2**62  # greater than any index


def emit_task(module: Module, pattern: TapPattern, epilogue: Epilogue) -> Function:
    """Emit the task function: it computes consecutive units, ordered by block, then by plane.

    Units of the same block have the same padding, so the windows are zeroed once per block.
    """
    copy_units, compute_units = (
        _emit_copy_units(module),
        _emit_compute_units(module, pattern, epilogue),
    )

    @function(module)
    def task(
        code: Code,
        parameters: NchwParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        planes, planes_per_copy, window_size = p.planes, p.planes_per_copy, p.window_size
        workspace = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        start = number * p.units_per_task
        stop = (start + p.units_per_task).minimum(p.units)
        with code.loop(start, stop, planes_per_copy) as unit:
            plane, block = unit % planes, unit // planes
            is_new_block = unit.equals(start) | plane.equals(0)
            with (
                code.if_(is_new_block),
                code.loop(0, planes_per_copy * window_size, code.lanes) as e,
            ):
                workspace[e] = code.zeros()
            num_planes = (stop - unit).minimum(planes_per_copy)
            for step in (copy_units, compute_units):
                step.call(
                    parameters=p,
                    arrays=arrays,
                    windows=workspace,
                    first_plane=plane,
                    num_planes=num_planes,
                    block=block,
                )

    return task


def _emit_copy_units(module: Module) -> Function:
    """Emit the function that copies the window of one block from consecutive planes."""
    copy_plane = emit_copy_plane(module)

    @function(module)
    def copy_units(
        code: Code,
        parameters: NchwParameters[Value],
        arrays: Arrays[Pointer],
        windows: Pointer,
        first_plane: Value,
        num_planes: Value,
        block: Value,
    ) -> None:
        p, input = parameters, arrays.input
        i, j = _first_output(p, block)
        top, left = i * p.stride_h - p.padding_h, j * p.stride_w - p.padding_w
        with (
            _for_each_plane(code, p, first_plane, num_planes) as (index, image, group),
            code.loop(0, p.group_channels) as c,
        ):
            channel = group * p.group_channels + c
            copy_plane.call(
                parameters=p,
                plane=input + (image * p.input_stride_n + channel * p.input_stride_c),
                window=windows + (index * p.window_size + c * p.channel_window_size),
                top=top,
                left=left,
            )

    return copy_units


def _emit_compute_units(module: Module, pattern: TapPattern, epilogue: Epilogue) -> Function:
    """Emit the function that computes one block for all filters of consecutive planes."""
    tile_functions = {
        size: _emit_tiles(module, pattern, size, epilogue) for size in tile_heights(TILE_SIZE)
    }

    @function(module)
    def compute_units(
        code: Code,
        parameters: NchwParameters[Value],
        arrays: Arrays[Pointer],
        windows: Pointer,
        first_plane: Value,
        num_planes: Value,
        block: Value,
    ) -> None:
        p = parameters
        weight, bias, output = arrays.weight, arrays.bias, arrays.output
        residual = residual_offset(arrays)
        i, j = _first_output(p, block)
        end = p.tile_rows * p.output_row_stride
        with _for_each_plane(code, p, first_plane, num_planes) as (index, image, group):
            window, first = windows + index * p.window_size, group * p.group_filters
            with code.loop(first, first + p.group_filters) as filter:
                plane = image * p.output_stride_n + filter * p.output_stride_c
                unit_output = output + (plane + i * p.output_width + j)
                weights = weight + filter * (p.group_channels * p.taps)

                def emit_call(_: int, tiles: Function, row: Value) -> None:
                    start = row * p.output_row_stride
                    limit = code.select(p.fills_vector.equals(1), code.value(NO_LIMIT), end - start)
                    tiles.call(
                        parameters=p,
                        window=window + row * p.row_stride,
                        weights=weights,
                        bias=bias + filter,
                        output=unit_output + start,
                        limit=limit,
                        residual_offset=residual,
                    )

                for_each_tile(code, p.tile_rows, tile_functions, emit_call)

    return compute_units


@contextmanager
def _for_each_plane(
    code: Code, p: NchwParameters[Value], first: Value, num_planes: Value
) -> Iterator[tuple[Value, Value, Value]]:
    """Emit a loop over consecutive planes; yield the index, the image and the group of each."""
    image, group = code.variable(first // p.groups), code.variable(first % p.groups)
    with code.loop(0, num_planes) as index:
        yield index, image.get(), group.get()
        is_last = (group.get() + 1).equals(p.groups)
        image.set(image.get() + is_last.as_int())
        group.set(code.select(is_last, code.value(0), group.get() + 1))


def _first_output(p: NchwParameters[Value], block: Value) -> tuple[Value, Value]:
    """Return the first row and column of a block; the last block is moved back so that it fits."""
    i, j = block // p.units_per_row, block % p.units_per_row
    return (i * p.unit_rows).minimum(p.last_row), (j * p.unit_columns).minimum(p.last_column)


def _emit_tiles(module: Module, pattern: TapPattern, size: int, epilogue: Epilogue) -> Function:
    """Emit the function that computes a row of tiles, each `size` rows × one vector.

    A full vector is stored if it ends at or before `limit`, in elements from `output`: what it
    stores past its row is overwritten later. Otherwise only the valid lanes are stored.
    """

    @function(module, f"tiles_{size}")
    def tiles(
        code: Code,
        parameters: NchwParameters[Value],
        window: Pointer,
        weights: Pointer,
        bias: Pointer,
        output: Pointer,
        limit: Value,
        residual_offset: Value,
    ) -> None:
        p, tap_offsets = parameters, table_after(parameters)
        kernel_height, kernel_width, tap_stride = p.kernel_height, p.kernel_width, p.tap_stride
        row_stride, output_row_stride = p.row_stride, p.output_row_stride
        group_channels, taps = p.group_channels, p.taps
        channel_window_size = p.channel_window_size
        initial = code.broadcast(bias[0])
        with code.loop(0, p.column_vectors) as vector:
            column = (vector * code.lanes).minimum(p.last_vector_column)
            accumulators = [code.variable(initial) for _ in range(size)]
            with code.loop(0, group_channels) as c, code.loop(0, kernel_width) as v:
                tap_row = TapRow(
                    taps=kernel_height,
                    weights=weights + (c * taps + v),
                    weight_stride=kernel_width,
                    inputs=window + (c * channel_window_size + column + tap_offsets[v]),
                    tap_stride=tap_stride,
                    output_stride=row_stride,
                )
                accumulate_tap_row(
                    code,
                    accumulators,
                    pattern,
                    tap_row,
                    load_weight=lambda address: code.broadcast(address[0]),
                )
            offset = column
            for accumulator in accumulators:
                with code.if_(offset + code.lanes <= limit):
                    output_ptr = output + offset
                    output_ptr[0] = apply_epilogue(
                        code, epilogue, accumulator.get(), output_ptr, residual_offset
                    )
                with code.else_():
                    output_ptr, mask = output + offset, code.first_lanes(p.valid_lanes)
                    sums = accumulator.get()
                    sums = apply_epilogue(code, epilogue, sums, output_ptr, residual_offset, mask)
                    output_ptr.store_masked(mask, sums)
                offset = offset + output_row_stride

    return tiles
