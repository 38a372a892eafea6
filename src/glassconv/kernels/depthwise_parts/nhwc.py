"""Depthwise convolution for NHWC: its parameters, and the blocks that it is divided into.

Vector lanes are filters; a tile covers several columns of one output row. A unit is a block of
output rows and columns for a block of filters.

The common kernels with one filter per channel read the input in place. For others, the input window
of a unit is copied first, with its padding and with one lane per filter (expanded_copy.py), once
for each channel of a group. The taps of all channels are then like the taps of a longer kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import ceil

from glassconv.codegen.struct import N
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.blocking import DepthwiseBlocking
from glassconv.kernels.depthwise_parts.padded_copy import WindowParameters, window_parameters
from glassconv.kernels.depthwise_parts.register_tile import TILE_SIZE, TapPattern, tap_pattern_of
from glassconv.kernels.depthwise_parts.windows import (
    Block,
    block_of_rows,
    choose_block,
    shares_inputs_by_phase,
)
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.memory_layout import Layout, output_strides

MAX_CHANNEL_VECTORS = 6  # of a unit whose input is read in place
COPIED_CHANNEL_VECTORS = 2  # of a unit whose input is copied: with float32 and AVX2, a cache line
MAX_UNIT_ROWS = 7
NO_LIMIT = 2**62  # greater than any row


@dataclass(frozen=True)
class InputAccess:
    """How the input is read: from a copy of the window of each unit, or in place."""

    is_copied: bool
    is_partial_vector: bool = False  # fewer filters than lanes
    # Copied: the channels of a group, if it has as many filters and a vector holds whole groups.
    # Then vectors of channels are shuffled; otherwise each channel is broadcast to its filters.
    shuffled_group: int = 0
    # In place: how many columns the first tile of a row reads before the input, and the last after
    # it. They are skipped.
    skipped: tuple[int, int] = (0, 0)


def input_access_of(problem: ConvProblem, lanes: int) -> InputAccess:
    """Return how the input of a problem is read."""
    if problem.out_channels < lanes:
        return InputAccess(is_copied=True, is_partial_vector=True)
    columns = problem.axes[1]
    lanes_are_channels = problem.groups == problem.in_channels == problem.out_channels
    is_static = columns.dilation == 1 and tap_pattern_of(columns).is_static
    if lanes_are_channels and is_static and _covers_in_place(columns):
        return InputAccess(is_copied=False, skipped=_outside(columns))
    channels = problem.weight_shape[1]
    is_shuffled = channels == problem.gemm.m > 1 and lanes % channels == 0
    return InputAccess(is_copied=True, shuffled_group=channels if is_shuffled else 0)


def tap_pattern_in(problem: ConvProblem) -> TapPattern:
    """Return the pattern of the taps along the columns of a problem."""
    columns = problem.axes[1]
    if shares_inputs_by_phase(columns):
        columns = replace(columns, dilation=1)
    return tap_pattern_of(columns)


def _outside(columns: Axis) -> tuple[int, int]:
    """Return how many columns the outputs of a row read before the input, and after it."""
    before = columns.padding[0]
    stop = (columns.output_size - 1) * columns.stride - before + columns.kernel_size
    return before, max(0, stop - columns.input_size)


def _last_inside(columns: Axis) -> int:
    """Return the last output at which a tile can begin and read no column after the input."""
    last_output = (columns.input_size + columns.padding[0] - columns.kernel_size) // columns.stride
    return last_output - (TILE_SIZE - 1)


def _covers_in_place(columns: Axis) -> bool:
    """Return whether tiles cover a row if only the first and the last read padding.

    Padding beyond half of the kernel is unusual and not worth a kernel of its own. The first tile
    begins at the first output, the last ends at the last output, and those between are moved back
    to where they read no padding.

    >>> [_covers_in_place(Axis(size, 5, padding=(2, 2))) for size in (6, 7, 8, 9, 28, 30)]
    [False, True, False, True, True, True]
    """
    before, last_inside = columns.padding[0], _last_inside(columns)
    remaining = columns.output_size - TILE_SIZE
    if remaining < 0 or max(_outside(columns)) > columns.kernel_size // 2:
        return False
    if remaining == 0:
        return True
    first_reads_no_end, last_reads_no_start = last_inside >= 0, remaining * columns.stride >= before
    middle_is_inside = min(TILE_SIZE, last_inside) * columns.stride >= before
    middle_reaches_last = last_inside + TILE_SIZE >= remaining
    is_only_ends = remaining <= TILE_SIZE
    return (first_reads_no_end and last_reads_no_start) and (
        is_only_ends or (middle_is_inside and middle_reaches_last)
    )


@dataclass(frozen=True)
class NhwcParameters(WindowParameters[N]):
    """The kernel's parameters; a table of the input offset of each row of taps follows them.

    The strides of taps and outputs are those of the input or, if it is copied, of the copy.
    """

    units: N
    units_per_task: N
    filters: N
    group_channels: N
    group_filters: N
    channel_window_size: N  # of a copied window
    taps: N  # of all channels of a group
    stride_h: N
    stride_w: N
    padding_h: N
    padding_w: N
    dilation_h: N
    input_stride_n: N
    input_stride_w: N
    output_stride_n: N
    output_stride_h: N
    output_stride_w: N
    unit_rows: N
    row_blocks: N
    last_row: N  # the first row of the last unit
    unit_columns: N
    column_blocks: N
    last_column: N  # the first column of the last unit
    last_inside: N  # in place: the last column at which a tile reads no padding after the input
    unit_channels: N
    channel_blocks: N
    last_channel: N  # the first channel of the last unit
    valid_lanes: N
    tap_rows: N  # rows of taps of all channels of a group
    kernel_width: N
    tap_stride: N  # from a tap of a row to the next
    row_stride: N  # from a row of outputs to the next
    column_stride: N  # from an output of a tile to the next
    column_phases: N  # copied: outputs of a tile are so many columns apart, the dilation
    phase_stride: N  # in the copy, from the window of a phase's first output to that of the next
    valid_rows: N  # a row of taps is read if its row is at least 0 and less than this
    weights_size: N  # elements, the bias included
    workspace_bytes: N


def blocking(problem: ConvProblem, layout: Layout, target: Target, tasks: int) -> DepthwiseBlocking:
    """Return the blocks of a 2D problem, for about `tasks` tasks.

    If there are enough tasks, each covers all channels of its rows. This avoids false sharing:
    threads that write different channels of the same column write to the same cache lines.
    """
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    is_copied = input_access_of(problem, lanes).is_copied
    channels = _unit_channels(problem, target)
    block = _block(problem, target)
    height, width = problem.output_size
    channel_blocks = ceil(problem.out_channels / channels)
    positions = problem.batch * ceil(height / block.rows) * ceil(width / block.columns)
    if positions >= tasks:
        units_per_task = channel_blocks * (positions // tasks)
    else:
        units_per_task = max(1, ceil(positions * channel_blocks / tasks))
    elements = _weights_size(problem, lanes, channels)
    if is_copied:
        elements += problem.weight_shape[1] * block.num_elements * channels + lanes
    return DepthwiseBlocking(
        unit_rows=block.rows,
        unit_columns=block.columns,
        unit_channels=channels,
        units_per_task=units_per_task,
        planes_per_copy=int(is_copied),
        workspace_bytes=round_up(elements * element, CACHE_LINE),
    )


def _unit_channels(problem: ConvProblem, target: Target) -> int:
    """Return the number of filters of a unit."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    kernel_height, kernel_width = problem.kernel_size
    if input_access_of(problem, lanes).is_copied:
        weights_bytes = problem.gemm.k * COPIED_CHANNEL_VECTORS * target.vector_bytes
        vectors = COPIED_CHANNEL_VECTORS if weights_bytes <= target.l1 // 2 else 1
        return _equal_blocks(problem.out_channels, lanes, vectors)
    row = TILE_SIZE * problem.stride[1] + kernel_width  # columns that a tile reads
    elements_per_channel = kernel_height * (kernel_width + row)
    vectors = target.l1 // 2 // element // elements_per_channel // lanes
    return _equal_blocks(problem.out_channels, lanes, min(vectors, MAX_CHANNEL_VECTORS))


def _equal_blocks(filters: int, lanes: int, max_vectors: int) -> int:
    """Return a number of filters: whole vectors, few of which overlap those of the next unit.

    >>> [_equal_blocks(filters, lanes=8, max_vectors=6) for filters in (3, 32, 96, 100, 144)]
    [8, 32, 48, 40, 48]
    """
    max_vectors = max(1, min(filters // lanes, max_vectors))
    sizes = [vectors * lanes for vectors in range(1, max_vectors + 1)]
    return min(sizes, key=lambda size: (ceil(filters / size) * (size + lanes), -size))


def _block(problem: ConvProblem, target: Target) -> Block:
    """Return the rows and columns of a unit; a copied window must fit in a quarter of L2."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    rows, columns = problem.axes
    if input_access_of(problem, lanes).is_copied:
        lanes_copied = problem.weight_shape[1] * _unit_channels(problem, target)
        max_elements = target.l2 // 4 // element // lanes_copied
        return choose_block(problem, partial(block_of_rows, problem), TILE_SIZE, max_elements)
    height = ceil(rows.output_size / ceil(rows.output_size / MAX_UNIT_ROWS))
    return block_of_rows(problem, height, columns.output_size)


def _weights_size(problem: ConvProblem, lanes: int, channels: int) -> int:
    return (round_up(problem.gemm.k, lanes) + 1) * channels


def parameters_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: DepthwiseBlocking
) -> tuple[NhwcParameters[int], tuple[int, ...]]:
    """Return the parameters of a 2D problem, and the input offset of each row of taps."""
    lanes = target.lanes(problem.dtype)
    rows, columns = problem.axes
    height, width = problem.output_size
    filters, channels = problem.out_channels, blocks.unit_channels
    group_channels = problem.weight_shape[1]
    block = _block(problem, target)
    channel_blocks, row_blocks, column_blocks = (
        ceil(filters / channels),
        ceil(height / block.rows),
        ceil(width / block.columns),
    )
    stride_n, _, stride_h, stride_w = layout.strides
    output_n, _, output_h, output_w = output_strides(problem, layout)
    window = window_parameters(problem, layout, block, channels)
    if input_access_of(problem, lanes).is_copied:
        # Each row of the copy is valid, because padding is copied.
        row_stride, valid_rows = block.row_layout.output_stride * window.window_row_stride, NO_LIMIT
        tap_stride, column_stride = (
            block.column_layout.tap_stride * channels,
            block.column_layout.output_stride * channels,
        )
        offsets = tuple(
            (channel * block.row_layout.length + tap) * window.window_row_stride
            for channel in range(group_channels)
            for tap in block.row_layout.tap_offsets
        )
    else:
        row_stride, valid_rows = rows.stride * stride_h, rows.input_size
        tap_stride, column_stride = columns.dilation * stride_w, columns.stride * stride_w
        offsets = tuple(tap * rows.dilation * stride_h for tap in range(rows.kernel_size))
    parameters = NhwcParameters(
        **vars(window),
        units=problem.batch * channel_blocks * row_blocks * column_blocks,
        units_per_task=blocks.units_per_task,
        filters=filters,
        group_channels=group_channels,
        group_filters=problem.gemm.m,
        channel_window_size=block.row_layout.length * window.window_row_stride,
        taps=problem.gemm.k,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        input_stride_n=stride_n,
        input_stride_w=stride_w,
        output_stride_n=output_n,
        output_stride_h=output_h,
        output_stride_w=output_w,
        unit_rows=block.rows,
        row_blocks=row_blocks,
        last_row=height - block.rows,
        unit_columns=block.columns,
        column_blocks=column_blocks,
        last_column=width - block.columns,
        last_inside=_last_inside(columns),
        unit_channels=channels,
        channel_blocks=channel_blocks,
        last_channel=max(filters - channels, 0),
        valid_lanes=min(filters, lanes),
        tap_rows=group_channels * rows.kernel_size,
        kernel_width=columns.kernel_size,
        tap_stride=tap_stride,
        row_stride=row_stride,
        column_stride=column_stride,
        column_phases=columns.dilation if shares_inputs_by_phase(columns) else 1,
        phase_stride=block.column_layout.segment_length * channels,
        valid_rows=valid_rows,
        weights_size=_weights_size(problem, lanes, channels),
        workspace_bytes=blocks.workspace_bytes,
    )
    return parameters, offsets


def describe_loops(
    problem: ConvProblem, units: int, blocks: DepthwiseBlocking, lanes: int
) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    kernel = " × ".join(f"{size:,}" for size in problem.weight_shape[1:])
    pack = "pack the weights as [tap][filter] in the workspace"
    copy = "copy the input window to the workspace, one lane per filter"
    return describe_loop_nest(
        f"for {units:,} blocks of {blocks.unit_rows:,} rows × {blocks.unit_columns:,} columns × "
        f"{blocks.unit_channels:,} channels, {blocks.units_per_task:,} in a task",
        [
            pack,
            *([copy] if input_access_of(problem, lanes).is_copied else []),
            f"for {at_a_time(blocks.unit_columns, 'columns of outputs', TILE_SIZE)}",
        ],
        f"for {blocks.unit_rows:,} rows",
        f"for {at_a_time(blocks.unit_channels, 'channels', lanes)}",
        f"for {kernel} taps: the register tile, one vector wide",
    )
