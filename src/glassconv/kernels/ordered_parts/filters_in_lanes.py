"""Depthwise convolution in NCHW in the published order: the lanes of a vector are filters.

A row of taps reads inputs that overlap. Where lanes are columns, each is loaded again for each tap,
or shared by rows of outputs, but then the products come column by column. Where lanes are filters
a loaded input serves every tap of the row, and products come row by row, as in NHWC.

So a task transposes the windows of as many filters as a vector has lanes into [row, column, lane],
computes their outputs as [pixel, lane], and transposes those back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.register_tile import (
    TILE_SIZE,
    TapPattern,
    TapRow,
    accumulate_tap_row,
    for_each_tile,
)
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.microkernel.register_tile import tile_heights
from glassconv.kernels.runtime.blocking import Blocking, round_up
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import Layout, output_strides


@dataclass(frozen=True)
class FilterBlocking(Blocking):
    """The blocks of a problem."""

    unit_rows: int  # rows of outputs of a task
    unit_filters: int  # of a task
    workspace_bytes: int  # per thread: weights, windows and outputs


@dataclass(frozen=True)
class FilterParameters(Struct[N]):
    """The kernel's parameters; a vector has a lane for each filter."""

    filters: N
    group_filters: N
    filter_blocks: N
    row_blocks: N
    unit_rows: N
    input_height: N
    input_width: N
    output_height: N
    output_width: N
    kernel_height: N
    kernel_width: N
    taps: N
    extent_h: N
    stride_h: N
    stride_w: N
    padding_h: N
    padding_w: N
    dilation_h: N
    dilation_w: N
    input_stride_n: N
    input_stride_c: N
    input_stride_h: N
    output_stride_n: N
    output_stride_c: N
    window_width: N  # vectors of a row of the window
    window_start: N  # vectors before the window in the workspace: the weights
    outputs_start: N  # vectors before the outputs
    workspace_bytes: N


def blocking(problem: ConvProblem, target: Target) -> FilterBlocking:
    """Return the blocks of a 2D problem."""
    rows, _ = problem.axes
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    most = target.l2 // 8 // (_window_width(problem) * target.vector_bytes)
    unit_rows = max(1, min((most - rows.extent) // rows.stride + 1, rows.output_size))
    unit_rows = ceil(rows.output_size / ceil(rows.output_size / unit_rows))
    vectors = _outputs_start(problem, unit_rows, lanes) + unit_rows * problem.output_size[1] + lanes
    return FilterBlocking(unit_rows, lanes, round_up(vectors * lanes * element, CACHE_LINE))


def _window_width(problem: ConvProblem) -> int:
    columns = problem.axes[1]
    return (columns.output_size - 1) * columns.stride + columns.extent


def _outputs_start(problem: ConvProblem, unit_rows: int, lanes: int) -> int:
    rows = problem.axes[0]
    window_rows = (unit_rows - 1) * rows.stride + rows.extent
    # The last row of a window may be written a vector's columns past its end.
    return prod(problem.kernel_size) + window_rows * _window_width(problem) + lanes


def tasks_of(problem: ConvProblem, blocks: FilterBlocking) -> int:
    """Return how many tasks a 2D problem is."""
    row_blocks = ceil(problem.output_size[0] / blocks.unit_rows)
    return problem.batch * ceil(problem.out_channels / blocks.unit_filters) * row_blocks


def parameters_of(
    problem: ConvProblem, layout: Layout, blocks: FilterBlocking
) -> FilterParameters[int]:
    """Return the kernel's parameters for a 2D problem."""
    rows, columns = problem.axes
    stride_n, stride_c, stride_h, _ = layout.strides
    output_n, output_c, *_ = output_strides(problem, layout)
    return FilterParameters(
        filters=problem.out_channels,
        group_filters=problem.gemm.m,
        filter_blocks=ceil(problem.out_channels / blocks.unit_filters),
        row_blocks=ceil(rows.output_size / blocks.unit_rows),
        unit_rows=blocks.unit_rows,
        input_height=rows.input_size,
        input_width=columns.input_size,
        output_height=rows.output_size,
        output_width=columns.output_size,
        kernel_height=rows.kernel_size,
        kernel_width=columns.kernel_size,
        taps=prod(problem.kernel_size),
        extent_h=rows.extent,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        dilation_w=columns.dilation,
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        output_stride_n=output_n,
        output_stride_c=output_c,
        window_width=_window_width(problem),
        window_start=prod(problem.kernel_size),
        outputs_start=_outputs_start(problem, blocks.unit_rows, blocks.unit_filters),
        workspace_bytes=blocks.workspace_bytes,
    )


def emit_task(module: Module, pattern: TapPattern, epilogue: Epilogue) -> Function:
    """Emit the task function: a block of rows of outputs of a vector of filters.

    pattern: of the taps of a kernel row.
    """
    pack, transpose_window = _emit_pack(module), emit_transpose_window(module)
    tiles = {size: _emit_tile(module, pattern, size) for size in tile_heights(TILE_SIZE)}
    skip_padding = _emit_skip_padding(module)
    store = _emit_store(module, epilogue)

    @function(module)
    def task(
        code: Code,
        parameters: FilterParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        filter, number = number % p.filter_blocks * lanes, number // p.filter_blocks
        row, image = number % p.row_blocks * p.unit_rows, number // p.row_blocks
        rows = (p.output_height - row).minimum(p.unit_rows)
        weights = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        window, outputs = weights + p.window_start * lanes, weights + p.outputs_start * lanes
        pack.call(parameters=p, weight=arrays.weight, packed=weights, filter=filter)
        transpose_window.call(
            parameters=p,
            image=arrays.input + image * p.input_stride_n,
            window=window,
            filter=filter,
            top=row * p.stride_h - p.padding_h,
            rows=(rows - 1) * p.stride_h + p.extent_h,
        )
        # Weights that are not finite must not meet the zeros of padding.
        zero = code.variable(code.zeros())
        with code.loop(0, p.taps) as tap:
            zero.set(code.fma(weights.vector(tap * lanes), code.zeros(), zero.get()))
        is_finite = code.any_nan(zero.get()).as_int().equals(0)
        with code.loop(0, rows) as i:
            row_window = window + i * p.stride_h * p.window_width * lanes
            row_outputs = outputs + i * p.output_width * lanes

            def emit_call(
                _: int,
                tile: Function,
                column: Value,
                window: Pointer = row_window,
                outputs: Pointer = row_outputs,
            ) -> None:
                tile.call(
                    parameters=p,
                    window=window + column * p.stride_w * lanes,
                    weights=weights,
                    outputs=outputs + column * lanes,
                )

            with code.if_(is_finite):
                for_each_tile(code, p.output_width, tiles, emit_call)
            with code.else_():
                skip_padding.call(
                    parameters=p,
                    window=row_window,
                    weights=weights,
                    outputs=row_outputs,
                    top=(row + i) * p.stride_h - p.padding_h,
                )
        store.call(
            parameters=p,
            outputs=outputs,
            bias=arrays.bias,
            output=arrays.output + (image * p.output_stride_n + row * p.output_width),
            filter=filter,
            pixels=rows * p.output_width,
            residual_offset=residual_offset(arrays),
        )

    return task


def filters_of_lanes(p: FilterParameters[Value], first: Value, lanes: int) -> list[Value]:
    """Return the filters of the lanes; those past the last repeat it."""
    return [(first + i).minimum(p.filters - 1) for i in range(lanes)]


def _emit_pack(module: Module) -> Function:
    """Emit the function that packs the weights of a vector of filters as [tap, lane]."""

    @function(module)
    def pack(
        code: Code,
        parameters: FilterParameters[Value],
        weight: Pointer,
        packed: Pointer,
        filter: Value,
    ) -> None:
        p, taps = parameters, parameters.taps
        rows = [weight + each * taps for each in filters_of_lanes(p, filter, code.lanes)]
        with code.loop(0, taps) as tap:
            packed[tap * code.lanes] = code.join([row[tap] for row in rows])

    return pack


def emit_transpose_window(module: Module) -> Function:
    """Emit the function that copies rows of planes as [row, column, lane], padded."""

    @function(module)
    def transpose_window(
        code: Code,
        parameters: FilterParameters[Value],
        image: Pointer,
        window: Pointer,
        filter: Value,
        top: Value,
        rows: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        width, left = p.window_width, p.padding_w.minimum(p.window_width)
        # The columns of the input that the window holds.
        inside = (width - left).minimum(p.input_width)
        whole = inside - inside % lanes
        tail = code.first_lanes(inside - whole)
        planes = [
            image + each // p.group_filters * p.input_stride_c
            for each in filters_of_lanes(p, filter, lanes)
        ]

        def put(place: Pointer, vectors: list[Value]) -> None:
            for i, vector in enumerate(code.transpose(vectors)):
                place[i * lanes] = vector

        with code.loop(0, rows) as row:
            y = top + row
            line = window + row * width * lanes
            is_inside = (y >= 0) & (y < p.input_height)
            with code.if_(is_inside):
                offset = y * p.input_stride_h
                with code.loop(0, left) as column:
                    line[column * lanes] = code.zeros()
                first = line + left * lanes
                with code.loop(0, whole, lanes) as column:
                    put(
                        first + column * lanes,
                        [plane.vector(offset + column) for plane in planes],
                    )
                with code.if_(inside > whole):
                    put(
                        first + whole * lanes,
                        [plane.masked(tail, offset + whole) for plane in planes],
                    )
                with code.loop(left + inside, width) as column:
                    line[column * lanes] = code.zeros()
            with code.else_(), code.loop(0, width) as column:
                line[column * lanes] = code.zeros()

    return transpose_window


def _emit_tile(module: Module, pattern: TapPattern, size: int) -> Function:
    """Emit the function that computes the sums of `size` adjacent outputs."""

    @function(module, f"tile_{size}")
    def tile(
        code: Code,
        parameters: FilterParameters[Value],
        window: Pointer,
        weights: Pointer,
        outputs: Pointer,
    ) -> None:
        p, lanes = parameters, code.lanes
        sums = [code.variable(code.zeros()) for _ in range(size)]
        with code.loop(0, p.kernel_height) as u:
            tap_row = TapRow(
                taps=p.kernel_width,
                weights=weights + u * p.kernel_width * lanes,
                weight_stride=code.value(lanes),
                inputs=window + u * p.dilation_h * p.window_width * lanes,
                tap_stride=p.dilation_w * lanes,
                output_stride=p.stride_w * lanes,
            )
            accumulate_tap_row(
                code, sums, pattern, tap_row, load_weight=lambda address: address.vector()
            )
        for i, total in enumerate(sums):
            outputs[i * lanes] = total.get()

    return tile


def _emit_skip_padding(module: Module) -> Function:
    """Emit the function that computes a row of outputs, whose windows begin in row `top`."""

    @function(module)
    def skip_padding(
        code: Code,
        parameters: FilterParameters[Value],
        window: Pointer,
        weights: Pointer,
        outputs: Pointer,
        top: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        with code.loop(0, p.output_width) as column:
            total = code.variable(code.zeros())
            with code.loop(0, p.kernel_height) as u, code.loop(0, p.kernel_width) as v:
                y, place = top + u * p.dilation_h, column * p.stride_w + v * p.dilation_w
                x = place - p.padding_w
                inside = (y >= 0) & (y < p.input_height) & (x >= 0) & (x < p.input_width)
                with code.if_(inside):
                    weight = weights.vector((u * p.kernel_width + v) * lanes)
                    number = window.vector((u * p.dilation_h * p.window_width + place) * lanes)
                    total.set(code.fma(weight, number, total.get()))
            outputs[column * lanes] = total.get()

    return skip_padding


def _emit_store(module: Module, epilogue: Epilogue) -> Function:
    """Emit the function that adds the bias to sums [pixel, lane] and stores them plane by plane."""

    @function(module)
    def store(
        code: Code,
        parameters: FilterParameters[Value],
        outputs: Pointer,
        bias: Pointer,
        output: Pointer,
        filter: Value,
        pixels: Value,
        residual_offset: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        filters = filters_of_lanes(p, filter, lanes)
        start = code.join([bias[each] for each in filters])
        planes = [output + each * p.output_stride_c for each in filters]
        whole = pixels - pixels % lanes

        def put(pixel: Value, mask: Value | None) -> None:
            place = outputs + pixel * lanes
            sums = [place.vector(i * lanes) + start for i in range(lanes)]
            for plane, total in zip(planes, code.transpose(sums), strict=True):
                address = plane + pixel
                result = apply_epilogue(code, epilogue, total, address, residual_offset, mask)
                address.store_masked(mask, result)

        with code.loop(0, whole, lanes) as pixel:
            put(pixel, None)
        with code.if_(pixels > whole):
            put(whole, code.first_lanes(pixels - whole))

    return store
