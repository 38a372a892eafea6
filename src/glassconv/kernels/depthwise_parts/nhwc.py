"""Depthwise convolution for NHWC: its parameters, and the blocks that it is divided into.

Vector lanes are channels; a tile covers several columns of one output row. A unit is a block of
output rows for a block of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts.blocking import DepthwiseBlocking
from glassconv.kernels.depthwise_parts.register_tile import TILE_SIZE
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import Layout

MAX_CHANNEL_VECTORS = 6  # of a unit
MAX_UNIT_ROWS = 7


@dataclass(frozen=True)
class NhwcParameters(Struct[N]):
    """The kernel's parameters; a table of the input offset of each row of taps follows them."""

    units: N
    units_per_task: N
    filters: N
    multiplier: N  # filters per input channel
    taps: N
    input_height: N
    input_width: N
    stride_h: N
    stride_w: N
    padding_h: N
    padding_w: N
    dilation_h: N
    dilation_w: N
    input_stride_n: N
    input_stride_h: N
    input_stride_w: N
    output_stride_n: N
    output_stride_h: N
    output_width: N
    unit_rows: N
    row_blocks: N
    last_row: N  # the first row of the last unit
    unit_channels: N
    channel_blocks: N
    last_channel: N  # the first channel of the last unit
    valid_lanes: N
    kernel_height: N
    kernel_width: N
    tap_stride: N
    window_stride_w: N  # in the input, from one output's window to the next
    weights_size: N  # elements, the bias included
    workspace_bytes: N


def _weights_size(problem: ConvProblem, lanes: int, channels: int) -> int:
    return (round_up(prod(problem.kernel_size), lanes) + 1) * channels


def blocking(problem: ConvProblem, layout: Layout, target: Target, tasks: int) -> DepthwiseBlocking:
    """Return the blocks of a 2D problem, for about `tasks` tasks.

    If there are enough tasks, each covers all channels of its rows. This avoids false sharing:
    threads that write different channels of the same column write to the same cache lines.
    """
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    rows, columns = problem.axes
    height, width = problem.output_size
    taps = prod(problem.kernel_size)
    elements_per_channel = taps + rows.kernel_size * (
        TILE_SIZE * columns.stride + columns.kernel_size
    )
    filters = problem.out_channels
    channels = _unit_channels(filters, lanes, target.l1 // 2 // element // elements_per_channel)
    unit_rows = ceil(height / ceil(height / MAX_UNIT_ROWS))
    channel_blocks = ceil(filters / channels)
    units_per_channel = problem.batch * ceil(height / unit_rows)
    if units_per_channel >= tasks:
        units_per_task = channel_blocks * (units_per_channel // tasks)
    else:
        units_per_task = max(1, ceil(units_per_channel * channel_blocks / tasks))
    max_loads = max(TILE_SIZE * columns.kernel_size, 2 * TILE_SIZE + columns.kernel_size)
    elements = _weights_size(problem, lanes, channels) + max_loads * lanes
    return DepthwiseBlocking(
        unit_rows=unit_rows,
        unit_columns=width,
        unit_channels=channels,
        units_per_task=units_per_task,
        planes_per_copy=0,
        workspace_bytes=round_up(elements * element, CACHE_LINE),
    )


def _unit_channels(filters: int, lanes: int, max_channels: int) -> int:
    """Return the number of channels of a unit: whole vectors, few of which overlap the next unit.

    >>> [_unit_channels(filters, lanes=8, max_channels=99) for filters in (3, 32, 96, 100, 144)]
    [8, 32, 48, 40, 48]
    """
    max_vectors = max(1, min(filters, MAX_CHANNEL_VECTORS * lanes, max_channels) // lanes)
    sizes = [vectors * lanes for vectors in range(1, max_vectors + 1)]
    return min(sizes, key=lambda size: ceil(filters / size) * (size + lanes))


def parameters_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: DepthwiseBlocking
) -> tuple[NhwcParameters[int], tuple[int, ...]]:
    """Return the parameters of a 2D problem, and the input offset of each row of taps."""
    lanes = target.lanes(problem.dtype)
    rows, columns = problem.axes
    height, width = problem.output_size
    filters, channels = problem.out_channels, blocks.unit_channels
    channel_blocks, row_blocks = ceil(filters / channels), ceil(height / blocks.unit_rows)
    stride_n, _, stride_h, stride_w = layout.strides
    parameters = NhwcParameters(
        units=problem.batch * channel_blocks * row_blocks,
        units_per_task=blocks.units_per_task,
        filters=filters,
        multiplier=problem.gemm.m,
        taps=prod(problem.kernel_size),
        input_height=rows.input_size,
        input_width=columns.input_size,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        dilation_w=columns.dilation,
        input_stride_n=stride_n,
        input_stride_h=stride_h,
        input_stride_w=stride_w,
        output_stride_n=height * width * filters,
        output_stride_h=width * filters,
        output_width=width,
        unit_rows=blocks.unit_rows,
        row_blocks=row_blocks,
        last_row=height - blocks.unit_rows,
        unit_channels=channels,
        channel_blocks=channel_blocks,
        last_channel=max(filters - channels, 0),
        valid_lanes=min(filters, lanes),
        kernel_height=rows.kernel_size,
        kernel_width=columns.kernel_size,
        tap_stride=columns.dilation * stride_w,
        window_stride_w=columns.stride * stride_w,
        weights_size=_weights_size(problem, lanes, channels),
        workspace_bytes=blocks.workspace_bytes,
    )
    return parameters, tuple(tap * rows.dilation * stride_h for tap in range(rows.kernel_size))


def describe_loops(
    problem: ConvProblem, units: int, blocks: DepthwiseBlocking, lanes: int
) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    kernel_height, kernel_width = problem.kernel_size
    return describe_loop_nest(
        f"for {units:,} blocks of {blocks.unit_rows:,} rows × {blocks.unit_channels:,} channels, "
        f"{blocks.units_per_task:,} in a task",
        [
            "pack the weights as [tap][channel] in the workspace",
            f"for {at_a_time(blocks.unit_columns, 'columns of outputs', TILE_SIZE)}",
        ],
        f"for {blocks.unit_rows:,} rows",
        f"for {at_a_time(blocks.unit_channels, 'channels', lanes)}",
        f"for {kernel_height} × {kernel_width} taps: the register tile, one vector wide",
    )


@dataclass(frozen=True)
class ChannelAccess:
    """How vectors of input channels are loaded."""

    is_partial_vector: bool  # fewer channels than lanes
    has_multiplier: bool  # several filters per input channel

    @property
    def is_contiguous(self) -> bool:
        """Return whether loads outside the padding need no mask and no gather."""
        return not (self.is_partial_vector or self.has_multiplier)


def channel_access_of(problem: ConvProblem, lanes: int) -> ChannelAccess:
    """Return how the input vectors of a problem are loaded."""
    return ChannelAccess(problem.out_channels < lanes, problem.gemm.m > 1)
