"""Depthwise convolution of small NCHW planes: its parameters, and the blocks it is divided into.

Rows that are shorter than a vector leave lanes empty. So lanes are channels here, as in NHWC: the
planes of as many channels as a vector has lanes are transposed into a window, and their outputs
back (small_planes_task.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.blocking import DepthwiseBlocking
from glassconv.kernels.depthwise_parts.register_tile import TILE_SIZE
from glassconv.kernels.depthwise_parts.windows import Block, block_of_rows, shares_inputs_by_phase
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import Layout, output_strides


@dataclass(frozen=True)
class SmallPlanesParameters(Struct[N]):
    """The kernel's parameters; offsets and strides are in elements, of all lanes.

    Two tables follow them: where in the window each row of taps begins, and where each pixel is
    stored. A pixel that no output reads, and what is after the last, is stored behind the window.
    """

    channels: N
    units: N
    units_per_task: N
    channel_blocks: N
    last_channel: N  # the first channel of the last block
    input_pixels: N
    input_stride_n: N
    input_stride_c: N
    output_stride_n: N
    output_pixels: N
    output_rows: N
    output_columns: N
    taps: N
    kernel_height: N
    kernel_width: N
    tap_stride: N  # in a window, from a tap of a row to the next
    row_stride: N  # in a window, from a row of outputs to the next
    column_stride: N  # in a window, from an output of a row to the next
    bias_offset: N  # in the workspace, whose first array are the weights, [tap, channel]
    window_offset: N
    result_offset: N
    workspace_bytes: N


def is_small(problem: ConvProblem, layout: Layout, target: Target) -> bool:
    """Return whether a 2D problem has planes that are transposed.

    Each channel is a group of its own, with one filter; a plane has no gaps; a row of outputs is
    shorter than a vector; the window is in input order; and it fits in L2 with the results.
    """
    lanes = target.lanes(problem.dtype)
    block = _block(problem)
    is_in_order = all(
        axis.segments == axis.element_stride == 1
        for axis in (block.row_layout, block.column_layout)
    )
    return (
        problem.groups == problem.in_channels == problem.out_channels
        and problem.in_channels >= lanes
        and layout.strides[2:] == (problem.input_size[1], 1)
        and problem.output_size[1] < lanes
        and is_in_order
        and not shares_inputs_by_phase(problem.axes[1])
        and 4 * _workspace(problem, lanes)[-1] * ELEMENT_BYTES[problem.dtype] <= target.l2
    )


def blocking(problem: ConvProblem, layout: Layout, target: Target, tasks: int) -> DepthwiseBlocking:
    """Return the blocks of a 2D problem, for about `tasks` tasks."""
    lanes = target.lanes(problem.dtype)
    height, width = problem.output_size
    units = problem.batch * ceil(problem.in_channels / lanes)
    workspace_bytes = _workspace(problem, lanes)[-1] * ELEMENT_BYTES[problem.dtype]
    return DepthwiseBlocking(
        unit_rows=height,
        unit_columns=width,
        unit_channels=lanes,
        units_per_task=max(1, ceil(units / tasks)),
        planes_per_copy=lanes,
        workspace_bytes=round_up(workspace_bytes, CACHE_LINE),
    )


def parameters_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: DepthwiseBlocking
) -> tuple[SmallPlanesParameters[int], tuple[int, ...]]:
    """Return the parameters of a 2D problem, and their tables."""
    lanes = target.lanes(problem.dtype)
    (height, width), (input_height, input_width) = problem.output_size, problem.input_size
    block = _block(problem)
    rows, columns = block.row_layout, block.column_layout
    row_length = columns.length * lanes
    bias_offset, window_offset, result_offset, _ = _workspace(problem, lanes)
    channel_blocks = ceil(problem.in_channels / lanes)
    (top, _), (left, _) = problem.padding
    behind = block.num_elements * lanes
    pixels = (
        y * row_length + x * lanes if y < rows.length and x < columns.length else behind
        for y in range(top, top + input_height)
        for x in range(left, left + input_width)
    )
    parameters = SmallPlanesParameters(
        channels=problem.in_channels,
        units=problem.batch * channel_blocks,
        units_per_task=blocks.units_per_task,
        channel_blocks=channel_blocks,
        last_channel=problem.in_channels - lanes,
        input_pixels=input_height * input_width,
        input_stride_n=layout.strides[0],
        input_stride_c=layout.strides[1],
        output_stride_n=output_strides(problem, layout)[0],
        output_pixels=height * width,
        output_rows=height,
        output_columns=width,
        taps=prod(problem.kernel_size),
        kernel_height=problem.kernel_size[0],
        kernel_width=problem.kernel_size[1],
        tap_stride=columns.tap_stride * lanes,
        row_stride=rows.output_stride * row_length,
        column_stride=columns.output_stride * lanes,
        bias_offset=bias_offset,
        window_offset=window_offset,
        result_offset=result_offset,
        workspace_bytes=blocks.workspace_bytes,
    )
    return parameters, (*(tap * row_length for tap in rows.tap_offsets), *pixels, behind)


def _block(problem: ConvProblem) -> Block:
    """Return the block of all outputs of a plane."""
    return block_of_rows(problem, *problem.output_size)


def _workspace(problem: ConvProblem, lanes: int) -> tuple[int, int, int, int]:
    """Return where bias, window and results begin after the weights, and where they end."""
    bias = round_up(prod(problem.kernel_size), lanes) * lanes
    window = bias + lanes
    result = window + (_block(problem).num_elements + 1) * lanes
    return bias, window, result, result + round_up(prod(problem.output_size), lanes) * lanes


def describe_loops(
    problem: ConvProblem, units: int, blocks: DepthwiseBlocking, lanes: int
) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    kernel = " × ".join(f"{size:,}" for size in problem.kernel_size)
    return describe_loop_nest(
        f"for {units:,} blocks of {lanes} planes, {blocks.units_per_task:,} in a task",
        [
            "pack the weights as [tap][channel] in the workspace",
            "transpose the planes to the workspace, with padding",
            f"for {blocks.unit_rows:,} rows of outputs",
            "transpose the outputs",
        ],
        f"for {at_a_time(blocks.unit_columns, 'columns', TILE_SIZE)}",
        f"for {kernel} taps: the register tile, one vector of channels wide",
    )
