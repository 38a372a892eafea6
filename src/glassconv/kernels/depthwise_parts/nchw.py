"""Depthwise convolution for NCHW: its parameters, and the blocks that it is divided into.

Vector lanes are adjacent columns; a tile covers several rows. A unit is a block of one output
plane. In one dimension the only row is divided into parts, which a tile covers like rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil, prod

from glassconv.codegen.struct import N
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.blocking import DepthwiseBlocking
from glassconv.kernels.depthwise_parts.padded_copy import WindowParameters, window_parameters
from glassconv.kernels.depthwise_parts.register_tile import TILE_SIZE
from glassconv.kernels.depthwise_parts.windows import Block, block_of_phases, choose_block
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import Layout, output_strides

MAX_PLANES_PER_COPY = 8


@dataclass(frozen=True)
class NchwParameters(WindowParameters[N]):
    """The kernel's parameters; a table of the window offset of each tap of a row follows them."""

    units: N
    units_per_task: N
    planes: N  # batch · groups; with several channels per group, those of a group
    groups: N
    group_channels: N
    group_filters: N
    taps: N  # of a channel
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
    last_row: N  # the first row of the last unit
    unit_columns: N
    units_per_row: N
    last_column: N  # the first column of the last unit
    tile_rows: N  # rows of a unit, or the parts of its only row
    output_row_stride: N  # from one of them to the next
    valid_lanes: N
    fills_vector: N  # whether a row of outputs is at least one vector long
    channel_window_size: N
    window_size: N  # of all channels of a group
    planes_per_copy: N
    tap_stride: N  # in a window, from a row of taps to the next
    row_stride: N  # in a window, from one of the tile rows to the next
    column_vectors: N  # vectors of a row of a unit
    last_vector_column: N  # the first column of the last vector
    workspace_bytes: N


def _block(problem: ConvProblem, target: Target) -> Block:
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    max_elements = target.l1 // 2 // element // problem.weight_shape[1]
    return choose_block(
        problem, partial(block_of_phases, problem, lanes=lanes), lanes, max_elements
    )


def _units(problem: ConvProblem, block: Block) -> tuple[int, int]:
    """Return the number of units of a plane, along its height and along its width."""
    height, width = problem.output_size
    return ceil(height / block.rows), ceil(width / block.columns)


@dataclass(frozen=True)
class TileRows:
    """What a tile covers like rows: the rows of a unit, or the parts of its only row.

    Parts may overlap, and together they cover the row.
    """

    count: int
    length: int  # outputs
    output_stride: int  # from one to the next
    window_stride: int


def _tile_rows(problem: ConvProblem, block: Block, lanes: int) -> TileRows:
    if block.rows > 1 or problem.kernel_size[0] > 1:  # rows of taps are shared by rows of outputs
        window_stride = block.row_layout.output_stride * block.column_layout.length
        return TileRows(block.rows, block.columns, problem.output_size[1], window_stride)
    parts = max(1, min(TILE_SIZE, block.columns // lanes))
    stride = block.columns // parts
    return TileRows(parts, block.columns - (parts - 1) * stride, stride, stride)


def blocking(problem: ConvProblem, layout: Layout, target: Target, tasks: int) -> DepthwiseBlocking:
    """Return the blocks of a 2D problem, for about `tasks` tasks."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    block = _block(problem, target)
    units = prod(_units(problem, block))
    window_size = problem.weight_shape[1] * block.num_elements
    max_planes = target.l1 // 2 // element // window_size
    planes_per_copy = max(1, min(MAX_PLANES_PER_COPY, max_planes)) if units == 1 else 1
    return DepthwiseBlocking(
        unit_rows=block.rows,
        unit_columns=block.columns,
        unit_channels=1,
        units_per_task=max(1, problem.batch * problem.groups * units // tasks),
        planes_per_copy=planes_per_copy,
        workspace_bytes=round_up((planes_per_copy * window_size + lanes) * element, CACHE_LINE),
    )


def parameters_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: DepthwiseBlocking
) -> tuple[NchwParameters[int], tuple[int, ...]]:
    """Return the parameters of a 2D problem, and the window offset of each tap of a row."""
    lanes = target.lanes(problem.dtype)
    rows, columns = problem.axes
    height, width = problem.output_size
    block = _block(problem, target)
    row_layout, column_layout = block.row_layout, block.column_layout
    per_column, per_row = _units(problem, block)
    tile_rows = _tile_rows(problem, block, lanes)
    planes = problem.batch * problem.groups
    stride_n, stride_c, _, _ = layout.strides
    output_n, output_c, *_ = output_strides(problem, layout)
    parameters = NchwParameters(
        **vars(window_parameters(problem, layout, block)),
        units=planes * per_column * per_row,
        units_per_task=blocks.units_per_task,
        planes=planes,
        groups=problem.groups,
        group_channels=problem.weight_shape[1],
        group_filters=problem.gemm.m,
        taps=prod(problem.kernel_size),
        kernel_height=rows.kernel_size,
        kernel_width=columns.kernel_size,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        output_stride_n=output_n,
        output_stride_c=output_c,
        output_width=width,
        unit_rows=block.rows,
        last_row=height - block.rows,
        unit_columns=block.columns,
        units_per_row=per_row,
        last_column=width - block.columns,
        tile_rows=tile_rows.count,
        output_row_stride=tile_rows.output_stride,
        valid_lanes=min(width, lanes),
        fills_vector=int(width >= lanes),
        channel_window_size=block.num_elements,
        window_size=problem.weight_shape[1] * block.num_elements,
        planes_per_copy=blocks.planes_per_copy,
        tap_stride=row_layout.tap_stride * column_layout.length,
        row_stride=tile_rows.window_stride,
        column_vectors=ceil(tile_rows.length / lanes),
        last_vector_column=max(tile_rows.length - lanes, 0),
        workspace_bytes=blocks.workspace_bytes,
    )
    return parameters, column_layout.tap_offsets


def describe_loops(
    problem: ConvProblem, units: int, blocks: DepthwiseBlocking, lanes: int
) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    channels, kernel_height, kernel_width = problem.weight_shape[1:]
    columns_of_taps = (
        f"{kernel_width} columns" if channels == 1 else f"{channels} × {kernel_width} columns"
    )
    unit = f"{blocks.unit_rows} × {blocks.unit_columns} outputs of a plane"
    return describe_loop_nest(
        f"for {units:,} blocks of {unit}, {blocks.units_per_task:,} in a task",
        f"for {at_a_time(blocks.units_per_task, 'of them', blocks.planes_per_copy)}",
        [
            "copy their input windows, with padding, to the workspace",
            f"for {at_a_time(blocks.unit_rows, 'rows of outputs', TILE_SIZE)}",
        ],
        f"for {at_a_time(blocks.unit_columns, 'columns', lanes)}",
        f"for {columns_of_taps} of {kernel_height} taps: the register tile, one vector wide",
    )
