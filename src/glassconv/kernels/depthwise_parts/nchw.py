"""depthwise for NCHW: lanes are pixels of a row, a tile is some rows high.

A unit of work is a block of a plane: its window is copied into the thread's workspace with its
padding, then shifted, scaled and added from there. Small planes are copied several at a time, for a
read just after a store of the same place is slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, table_after
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.blocking import DepthwiseBlocking
from glassconv.kernels.depthwise_parts.padded_copy import WindowParameters, plane_copier
from glassconv.kernels.depthwise_parts.register_tile import HEIGHT, Line, Steps, add_line, cover
from glassconv.kernels.depthwise_parts.windows import Block, block_of
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.microkernel.register_tile import tile_heights
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.kernels.runtime.parameters import Arrays, residual_distance
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import Layout

MOST_WINDOWS = 8
NO_LIMIT = 2**62


@dataclass(frozen=True)
class NchwParameters(WindowParameters[N]):
    """What the kernel reads; after it is a table of the positions of a row's taps in a window."""

    units: N
    task_units: N
    planes: N  # of inputs
    channels: N
    multiplier: N  # filters of a channel
    taps: N
    kernel_height: N
    kernel_width: N
    stride_h: N
    stride_w: N
    padding_h: N
    padding_w: N
    input_stride_n: N
    input_stride_c: N
    output_stride_n: N
    output_stride_c: N
    output_width: N
    unit_rows: N
    last_row: N  # where the last unit begins
    unit_columns: N
    units_per_row: N
    last_column: N
    valid_lanes: N
    is_wide: N  # whether a row of outputs fills a vector
    window_size: N
    windows: N
    tap_stride: N  # in a window, from a row of taps to the next
    row_stride: N  # in a window, from a row of outputs to the next
    runs: N  # vectors of a unit's row
    last_run: N  # where the last vector begins
    workspace_bytes: N


def _block(problem: ConvProblem, target: Target) -> Block:
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    return block_of(problem, lanes, target.l1 // 2 // element)


def _units(problem: ConvProblem, block: Block) -> tuple[int, int]:
    """Return how many units a plane has from top to bottom, and in a row."""
    height, width = problem.output_size
    return ceil(height / block.rows), ceil(width / block.columns)


def blocking(problem: ConvProblem, layout: Layout, target: Target, tasks: int) -> DepthwiseBlocking:
    """Return the blocks of a problem of two axes that is cut into so many tasks."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    block = _block(problem, target)
    units = prod(_units(problem, block))
    most = target.l1 // 2 // element // block.positions
    windows = max(1, min(MOST_WINDOWS, most)) if units == 1 else 1
    return DepthwiseBlocking(
        unit_rows=block.rows,
        unit_columns=block.columns,
        unit_channels=1,
        task_units=max(1, problem.batch * problem.in_channels * units // tasks),
        windows=windows,
        workspace_bytes=round_up((windows * block.positions + lanes) * element, CACHE_LINE),
    )


def parameters_of(
    problem: ConvProblem, layout: Layout, target: Target, cut: DepthwiseBlocking
) -> tuple[NchwParameters[int], tuple[int, ...]]:
    """Return the parameters of a problem of two axes, and the positions of the taps of a row."""
    lanes = target.lanes(problem.dtype)
    rows, columns = problem.axes
    height, width = problem.output_size
    block = _block(problem, target)
    down, across = block.row_span, block.column_span
    per_column, per_row = _units(problem, block)
    planes = problem.batch * problem.in_channels
    stride_n, stride_c, stride_h, _ = layout.strides
    parameters = NchwParameters(
        input_height=rows.input_size,
        input_width=columns.input_size,
        input_stride_h=stride_h,
        row_pieces=down.pieces,
        row_members=down.members,
        row_piece_step=down.piece_step,
        row_member_step=down.member_step,
        column_pieces=across.pieces,
        column_members=across.members,
        column_piece_step=across.piece_step,
        column_member_step=across.member_step,
        window_stride=across.length,
        units=planes * per_column * per_row,
        task_units=cut.task_units,
        planes=planes,
        channels=problem.in_channels,
        multiplier=problem.gemm.m,
        taps=prod(problem.kernel_size),
        kernel_height=rows.kernel_size,
        kernel_width=columns.kernel_size,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        output_stride_n=problem.out_channels * height * width,
        output_stride_c=height * width,
        output_width=width,
        unit_rows=block.rows,
        last_row=height - block.rows,
        unit_columns=block.columns,
        units_per_row=per_row,
        last_column=width - block.columns,
        valid_lanes=min(width, lanes),
        is_wide=int(width >= lanes),
        window_size=block.positions,
        windows=cut.windows,
        tap_stride=down.tap_step * across.length,
        row_stride=down.output_step * across.length,
        runs=ceil(block.columns / lanes),
        last_run=max(block.columns - lanes, 0),
        workspace_bytes=cut.workspace_bytes,
    )
    return parameters, across.taps


def loops(problem: ConvProblem, units: int, cut: DepthwiseBlocking, lanes: int) -> tuple[str, ...]:
    """Return what the kernel does with these blocks, a line for each loop."""
    kernel_height, kernel_width = problem.kernel_size
    unit = f"{cut.unit_rows} × {cut.unit_columns} outputs of a plane"
    return describe_loop_nest(
        f"for {units:,} blocks of {unit}, {cut.task_units:,} in a task",
        f"for {at_a_time(cut.task_units, 'of them', cut.windows)}",
        [
            "copy what they read, with its padding, to the workspace",
            f"for {at_a_time(cut.unit_rows, 'rows of outputs', HEIGHT)}",
        ],
        f"for {at_a_time(cut.unit_columns, 'columns', lanes)}",
        f"for {kernel_width} columns of {kernel_height} taps: the register tile, one vector wide",
    )


# -- in machine code --------------------------------------------------------------------------


def task_function(module: Module, steps: Steps, epilogue: Epilogue) -> Function:
    """Write the task: some units, first those of the same block of all planes.

    Their padding is the same, so windows are cleared for the first of them only.
    """
    copy, add = _copy(module), _add(module, steps, epilogue)

    @function(module)
    def task(
        code: Code,
        parameters: NchwParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        planes, windows, window_size = p.planes, p.windows, p.window_size
        workspace = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        start = number * p.task_units
        stop = (start + p.task_units).minimum(p.units)
        with code.loop(start, stop, windows) as unit:
            plane, block = unit % planes, unit // planes
            is_fresh = unit.equals(start) | plane.equals(0)
            with code.if_(is_fresh), code.loop(0, windows * window_size, code.lanes) as e:
                workspace[e] = code.zeros()
            count = (stop - unit).minimum(windows)
            for step in (copy, add):
                step.call(
                    parameters=p,
                    arrays=arrays,
                    windows=workspace,
                    first_plane=plane,
                    planes=count,
                    block=block,
                )

    return task


def _copy(module: Module) -> Function:
    """Write the function that copies the same block's window of some planes."""
    copy = plane_copier(module)

    @function(module)
    def copy_units(
        code: Code,
        parameters: NchwParameters[Value],
        arrays: Arrays[Pointer],
        windows: Pointer,
        first_plane: Value,
        planes: Value,
        block: Value,
    ) -> None:
        p, input = parameters, arrays.input
        i, j = _first_output(p, block)
        top, left = i * p.stride_h - p.padding_h, j * p.stride_w - p.padding_w
        with _consecutive_planes(code, p, first_plane, planes) as (number, image, channel):
            copy.call(
                parameters=p,
                plane=input + (image * p.input_stride_n + channel * p.input_stride_c),
                window=windows + number * p.window_size,
                top=top,
                left=left,
            )

    return copy_units


def _add(module: Module, steps: Steps, epilogue: Epilogue) -> Function:
    """Write the function that computes the same block of the filters of some planes."""
    tiles = {height: _tiles(module, steps, height, epilogue) for height in tile_heights(HEIGHT)}

    @function(module)
    def add_units(
        code: Code,
        parameters: NchwParameters[Value],
        arrays: Arrays[Pointer],
        windows: Pointer,
        first_plane: Value,
        planes: Value,
        block: Value,
    ) -> None:
        p = parameters
        weight, bias, output = arrays.weight, arrays.bias, arrays.output
        distance = residual_distance(arrays)
        i, j = _first_output(p, block)
        end = p.unit_rows * p.output_width
        with _consecutive_planes(code, p, first_plane, planes) as (number, image, channel):
            window, first = windows + number * p.window_size, channel * p.multiplier
            with code.loop(first, first + p.multiplier) as filter:
                place = image * p.output_stride_n + filter * p.output_stride_c
                result = output + (place + i * p.output_width + j)
                weights = weight + filter * p.taps

                def call(_: int, function: Function, row: Value) -> None:
                    start = row * p.output_width
                    limit = code.select(p.is_wide.equals(1), code.value(NO_LIMIT), end - start)
                    function.call(
                        parameters=p,
                        window=window + row * p.row_stride,
                        weights=weights,
                        bias=bias + filter,
                        output=result + start,
                        limit=limit,
                        residual_distance=distance,
                    )

                cover(code, p.unit_rows, tiles, call)

    return add_units


@contextmanager
def _consecutive_planes(
    code: Code, p: NchwParameters[Value], first: Value, planes: Value
) -> Iterator[tuple[Value, Value, Value]]:
    """Repeat what is written within for some planes, given the number, image and channel."""
    image, channel = code.variable(first // p.channels), code.variable(first % p.channels)
    with code.loop(0, planes) as number:
        yield number, image.get(), channel.get()
        is_last = (channel.get() + 1).equals(p.channels)
        image.set(image.get() + is_last.as_int())
        channel.set(code.select(is_last, code.value(0), channel.get() + 1))


def _first_output(p: NchwParameters[Value], block: Value) -> tuple[Value, Value]:
    """Return a block's first row and column; the last block begins as late as it fits."""
    i, j = block // p.units_per_row, block % p.units_per_row
    return (i * p.unit_rows).minimum(p.last_row), (j * p.unit_columns).minimum(p.last_column)


def _tiles(module: Module, steps: Steps, height: int, epilogue: Epilogue) -> Function:
    """Write a row of tiles, side by side, `height` rows of one vector each.

    A whole vector is stored where it ends at or before the limit, counted from `output`, for what
    lies beyond is written later; otherwise only its valid lanes are.
    """

    @function(module, f"tiles_{height}")
    def tiles(
        code: Code,
        parameters: NchwParameters[Value],
        window: Pointer,
        weights: Pointer,
        bias: Pointer,
        output: Pointer,
        limit: Value,
        residual_distance: Value,
    ) -> None:
        p, positions = parameters, table_after(parameters)
        kernel_height, kernel_width, output_width = p.kernel_height, p.kernel_width, p.output_width
        tap_stride, row_stride = p.tap_stride, p.row_stride
        start = code.broadcast(bias[0])
        with code.loop(0, p.runs) as run:
            column = (run * code.lanes).minimum(p.last_run)
            totals = [code.variable(start) for _ in range(height)]
            with code.loop(0, kernel_width) as v:
                line = Line(
                    taps=kernel_height,
                    weights=weights + v,
                    weight_stride=kernel_width,
                    pixels=window + (column + positions[v]),
                    tap_stride=tap_stride,
                    output_stride=row_stride,
                )
                add_line(
                    code,
                    totals,
                    steps,
                    line,
                    weight=lambda place: code.broadcast(place[0]),
                    pixel=lambda place, _: place.vector(),
                )
            place = column
            for total in totals:
                with code.if_(place + code.lanes <= limit):
                    target = output + place
                    target[0] = apply_epilogue(
                        code, epilogue, total.get(), target, residual_distance
                    )
                with code.else_():
                    target, mask = output + place, code.first_lanes(p.valid_lanes)
                    sums = total.get()
                    sums = apply_epilogue(code, epilogue, sums, target, residual_distance, mask)
                    target.store_masked(mask, sums)
                place = place + output_width

    return tiles
