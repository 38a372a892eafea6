"""The generated code of depthwise convolution for NHWC.

An input that is read in place is not copied: rows in the padding are skipped at run time, and the
columns that the first and the last tile of a row read in the padding are not in their code.
Otherwise the window of each unit is copied with its padding. Each unit first packs its weights as
[tap][filter]. That is cheap, so packed weights are not cached.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.kernels.depthwise_parts.expanded_copy import emit_expand
from glassconv.kernels.depthwise_parts.nhwc import InputAccess, NhwcParameters
from glassconv.kernels.depthwise_parts.pack_weights import emit_pack_weights
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


def emit_task(
    module: Module,
    pattern: TapPattern,
    access: InputAccess,
    epilogue: Epilogue,
    bias_last: bool = False,
) -> Function:
    """Emit the task function: it computes consecutive units.

    bias_last: whether products are added to +0 and their sum to the bias, as the published order
    says, not products to the bias.
    """
    pack_weights = emit_pack_weights(module)
    emit_compute = _emit_compute_copied if access.is_copied else emit_compute_in_place
    compute = emit_compute(module, pattern, access, epilogue, bias_last)

    @function(module)
    def task(
        code: Code,
        parameters: NhwcParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        weights = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        start = number * p.units_per_task
        with code.loop(start, (start + p.units_per_task).minimum(p.units)) as unit:
            channel_block, index = unit % p.channel_blocks, unit // p.channel_blocks
            column_block, index = index % p.column_blocks, index // p.column_blocks
            row_block, image = index % p.row_blocks, index // p.row_blocks
            filter = (channel_block * p.unit_channels).minimum(p.last_channel)
            row = (row_block * p.unit_rows).minimum(p.last_row)
            column = (column_block * p.unit_columns).minimum(p.last_column)
            pack_weights.call(
                weight=arrays.weight,
                bias=arrays.bias,
                packed=weights,
                taps=p.taps,
                first_filter=filter,
                filters=p.filters,
                unit_filters=p.unit_channels,
                bias_offset=p.weights_size - p.unit_channels,
            )
            compute.call(
                parameters=p,
                image=arrays.input + image * p.input_stride_n,
                weights=weights,
                output=arrays.output
                + (
                    image * p.output_stride_n
                    + row * p.output_stride_h
                    + column * p.output_stride_w
                    + filter
                ),
                residual_offset=residual_offset(arrays),
                rows=p.unit_rows,
                top=row * p.stride_h - p.padding_h,
                left=column * p.stride_w - p.padding_w,
                first_filter=filter,
            )

    return task


def _emit_compute_copied(
    module: Module,
    pattern: TapPattern,
    access: InputAccess,
    epilogue: Epilogue,
    bias_last: bool,
) -> Function:
    """Emit the function that copies the window of a unit and computes the unit's outputs."""
    expand = emit_expand(module, access)
    tile_functions = {
        size: _emit_tiles(module, pattern, access, size, epilogue, bias_last)
        for size in tile_heights(TILE_SIZE)
    }

    @function(module)
    def compute_copied(
        code: Code,
        parameters: NhwcParameters[Value],
        image: Pointer,
        weights: Pointer,
        output: Pointer,
        residual_offset: Value,
        rows: Value,
        top: Value,
        left: Value,
        first_filter: Value,
    ) -> None:
        p = parameters
        window = weights + p.weights_size
        expand.call(
            parameters=p, image=image, window=window, top=top, left=left, first_filter=first_filter
        )

        with code.loop(0, p.column_phases.minimum(p.unit_columns)) as phase:

            def emit_call(_: int, tiles: Function, j: Value) -> None:
                column = phase + j * p.column_phases
                position = phase * p.phase_stride + j * p.column_stride
                with code.loop(0, rows) as i:
                    tiles.call(
                        parameters=p,
                        input=window + (i * p.row_stride + position),
                        weights=weights,
                        output=output + (i * p.output_stride_h + column * p.output_stride_w),
                        residual_offset=residual_offset,
                        top=0,
                    )

            count = (p.unit_columns - phase + p.column_phases - 1) // p.column_phases
            for_each_tile(code, count, tile_functions, emit_call)

    return compute_copied


def emit_compute_in_place(
    module: Module,
    pattern: TapPattern,
    access: InputAccess,
    epilogue: Epilogue,
    bias_last: bool,
) -> Function:
    """Emit the function that computes the outputs of a unit, a block of whole rows, in place.

    Tiles between the first and the last of a row are moved back to where they read no padding.
    """
    before, after = access.skipped
    tile_functions = {
        skipped: _emit_tiles(module, pattern, access, TILE_SIZE, epilogue, bias_last, skipped)
        for skipped in {(before, after), (before, 0), (0, 0), (0, after)}
    }

    @function(module)
    def compute_in_place(
        code: Code,
        parameters: NhwcParameters[Value],
        image: Pointer,
        weights: Pointer,
        output: Pointer,
        residual_offset: Value,
        rows: Value,
        top: Value,
        left: Value,
        first_filter: Value,
    ) -> None:
        p = parameters

        def call(skipped: tuple[int, int], j: Value) -> None:
            column = left + j * p.stride_w
            with code.loop(0, rows) as i:
                row = top + i * p.stride_h
                position = row * p.input_stride_h + column * p.input_stride_w
                tile_functions[skipped].call(
                    parameters=p,
                    input=image + (position + first_filter),
                    weights=weights,
                    output=output + (i * p.output_stride_h + j * p.output_stride_w),
                    residual_offset=residual_offset,
                    top=row,
                )

        first, last = code.value(0), p.unit_columns - TILE_SIZE
        with code.if_(last.equals(0)):
            call((before, after), first)
        with code.else_():
            call((before, 0), first)
            with code.loop(TILE_SIZE, last, TILE_SIZE) as j:
                call((0, 0), j.minimum(p.last_inside))
            call((0, after), last)

    return compute_in_place


def _emit_tiles(
    module: Module,
    pattern: TapPattern,
    access: InputAccess,
    size: int,
    epilogue: Epilogue,
    bias_last: bool,
    skipped: tuple[int, int] = (0, 0),
) -> Function:
    """Emit the function that computes `size` adjacent outputs, for all channel vectors of a unit.

    skipped: how many columns before and after the input it would read. Parameters of the function:
    `input` is the first channel of the first window; `top` is the row of that window.
    """
    name = f"tiles_{size}" if skipped == (0, 0) else f"tiles_{size}_skip_{skipped[0]}_{skipped[1]}"

    @function(module, name)
    def tiles(
        code: Code,
        parameters: NhwcParameters[Value],
        input: Pointer,
        weights: Pointer,
        output: Pointer,
        residual_offset: Value,
        top: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        unit_channels, filters, valid_rows = p.unit_channels, p.filters, p.valid_rows
        distance = p.output_stride_w * p.column_phases  # from an output of the tile to the next
        tap_rows, kernel_width, dilation_h = p.tap_rows, p.kernel_width, p.dilation_h
        tap_stride, column_stride = p.tap_stride, p.column_stride
        bias = weights + (p.weights_size - unit_channels)
        # A table, because LLVM would keep one address per row in registers and spill them.
        offsets = table_after(p)
        with code.loop(0, unit_channels, lanes) as lane:
            accumulators = [
                code.variable(code.zeros() if bias_last else (bias + lane).vector())
                for _ in range(size)
            ]
            # The next row, or the last one again; with stride 2 this gains nothing.
            if pattern.stride == 1 and not access.is_copied:
                below = (top + tap_rows).minimum(valid_rows - 1) - top
                next_row = input + (below * p.input_stride_h + lane)
                before, after = skipped
                for column in range(before, pattern.inputs(size) - after):
                    (next_row + tap_stride * column).prefetch()
            with code.loop(0, tap_rows) as u:
                y = top + u * dilation_h
                with code.if_((y >= 0) & (y < valid_rows)):
                    tap_row = TapRow(
                        taps=kernel_width,
                        weights=weights + (u * kernel_width * unit_channels + lane),
                        weight_stride=unit_channels,
                        inputs=input + (offsets[u] + lane),
                        tap_stride=tap_stride,
                        output_stride=column_stride,
                    )
                    accumulate_tap_row(
                        code,
                        accumulators,
                        pattern,
                        tap_row,
                        load_weight=lambda address: address.vector(),
                        skipped=skipped,
                    )
            output_ptr = output + lane

            def store(total: Value, mask: Value | None) -> None:
                if bias_last:
                    total = total + (bias + lane).vector()
                total = apply_epilogue(code, epilogue, total, output_ptr, residual_offset, mask)
                output_ptr.store_masked(mask, total)

            for index, accumulator in enumerate(accumulators):
                if access.is_partial_vector:
                    # Masked stores are slow on some processors. What a whole vector writes into the
                    # next outputs of the tile is overwritten by them, if they are adjacent.
                    is_overwritten = filters * (size - 1 - index) >= lanes - filters
                    with code.if_(is_overwritten & distance.equals(filters)):
                        store(accumulator.get(), None)
                    with code.else_():
                        store(accumulator.get(), code.first_lanes(p.valid_lanes))
                else:
                    store(accumulator.get(), None)
                output_ptr = output_ptr + distance

    return tiles
