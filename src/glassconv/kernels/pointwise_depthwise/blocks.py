"""How a pair of convolutions is divided: units of channels, strips of rows, chunks of a strip.

A task is a strip of output rows for a unit of channels. Rows at the edge of a strip are computed by
both neighbours, so one thread has one strip. Within it, the rows are computed chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, prod

from glassconv.codegen.struct import N, Struct, pack
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts import nhwc
from glassconv.kernels.gemm_parts.blocking import panel_width
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import TASKS_PER_THREAD, Blocking, round_up
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NHWC, contiguous

MAX_UNIT_VECTORS = 9
UNIT_OVERHEAD = 4  # channels: each unit reads the input again
PARTIAL_OVERHEAD = 2  # channels: a partial panel loads more for each product
SMALL_DIFFERENCE = 0.01  # of costs: the smaller tasks are the better ones


@dataclass(frozen=True)
class PairBlocking(Blocking):
    """The blocks of a pair."""

    unit_channels: int  # of a task
    strip_rows: int  # rows of outputs of a task
    chunk_rows: int  # rows of outputs that are computed at once
    buffer_rows: int  # of what is between, for a chunk
    workspace_bytes: int  # per thread: the buffer, and a row that is prefetched


@dataclass(frozen=True)
class PairParameters(Struct[N]):
    """The kernel's parameters; those of the depthwise convolution of a unit follow them."""

    k: N  # channels of the input
    units: N
    unit_channels: N
    strips: N
    strip_rows: N
    chunk_rows: N
    output_rows: N
    input_rows: N
    input_columns: N
    stride_h: N
    padding_h: N
    padding_w: N
    kernel_height: N
    row_elements: N  # of the buffer
    input_stride_n: N
    output_stride_n: N
    output_stride_h: N
    unit_elements: N  # of the packed weights of a unit
    panel_elements: N  # of a panel of the filters of 1 × 1
    bias_offset: N  # behind the panels
    depthwise_offset: N  # of the depthwise weights, and their bias, behind that
    workspace_bytes: N


@lru_cache(maxsize=256)  # a pair is asked whether it pays, counted and planned
def blocking(depthwise: ConvProblem, target: Target, threads: int) -> PairBlocking:
    """Return the blocks of the depthwise convolution of a pair."""
    rows, columns = depthwise.axes
    unit, strips = _unit_and_strips(depthwise, target, threads)
    row_bytes = columns.input_size * unit * ELEMENT_BYTES[depthwise.dtype]
    # What is between must fit in half of L2.
    fitting = max(target.l2 // 2 // row_bytes - rows.kernel_size, 0) // rows.stride + 1
    strip_rows = ceil(rows.output_size / strips)
    chunk_rows = ceil(strip_rows / ceil(strip_rows / fitting))
    buffer_rows = _rows_between(depthwise, chunk_rows)
    return PairBlocking(
        unit,
        strip_rows,
        chunk_rows,
        buffer_rows,
        workspace_bytes=round_up((buffer_rows + 1) * row_bytes, CACHE_LINE),
    )


def _unit_and_strips(depthwise: ConvProblem, target: Target, threads: int) -> tuple[int, int]:
    """Return the channels and the strips that leave the busiest thread the least to do."""
    costs = {}
    height, width = depthwise.output_size[0], panel_width(depthwise.dtype, target)
    most_strips = min(height, TASKS_PER_THREAD * threads) if threads > 1 else 1
    for unit in _units(depthwise, target):
        overhead = UNIT_OVERHEAD + (PARTIAL_OVERHEAD if unit % width else 0)
        for strips in range(1, most_strips + 1):
            tasks = max(depthwise.batch, 1) * (depthwise.out_channels // unit) * strips
            between = _rows_between(depthwise, ceil(height / strips))
            costs[unit, strips] = ceil(tasks / threads) * between * (unit + overhead)
    most = min(costs.values()) * (1 + SMALL_DIFFERENCE)
    able = (blocks for blocks, cost in costs.items() if cost <= most)
    return min(able, key=lambda blocks: blocks[0] / blocks[1])


def _units(depthwise: ConvProblem, target: Target) -> Iterator[int]:
    """Yield the numbers of whole vectors of channels that divide all channels."""
    lanes = target.lanes(depthwise.dtype)
    vectors = depthwise.out_channels // lanes
    for each in range(1, MAX_UNIT_VECTORS + 1):
        if vectors % each == 0:
            yield each * lanes


def _rows_between(depthwise: ConvProblem, outputs: int) -> int:
    """Return how many rows of its input so many rows of outputs read, padding included."""
    rows = depthwise.axes[0]
    return (outputs - 1) * rows.stride + rows.kernel_size


def parameters_of(
    k: int, depthwise: ConvProblem, target: Target, blocks: PairBlocking
) -> tuple[PairParameters[int], tuple[int, ...]]:
    """Return the parameters of a pair, and the words of its depthwise convolution's.

    k: channels of the input.
    """
    width = panel_width(depthwise.dtype, target)
    unit, channels = blocks.unit_channels, depthwise.out_channels
    (rows, columns), (height, output_width) = depthwise.axes, depthwise.output_size
    taps = prod(depthwise.kernel_size)
    bias_offset = round_up(unit, width) * k
    depthwise_offset = bias_offset + unit
    parameters = PairParameters(
        k=k,
        units=channels // unit,
        unit_channels=unit,
        strips=ceil(height / blocks.strip_rows),
        strip_rows=blocks.strip_rows,
        chunk_rows=blocks.chunk_rows,
        output_rows=height,
        input_rows=rows.input_size,
        input_columns=columns.input_size,
        stride_h=rows.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        kernel_height=rows.kernel_size,
        row_elements=columns.input_size * unit,
        input_stride_n=rows.input_size * columns.input_size * k,
        output_stride_n=height * output_width * channels,
        output_stride_h=output_width * channels,
        unit_elements=depthwise_offset + (taps + 1) * unit,
        panel_elements=width * k,
        bias_offset=bias_offset,
        depthwise_offset=depthwise_offset,
        workspace_bytes=blocks.workspace_bytes,
    )
    of_unit = replace(depthwise, in_channels=unit, out_channels=unit, groups=unit)
    layout = contiguous(of_unit, NHWC)
    blocks_of_unit = nhwc.blocking(of_unit, layout, target, tasks=1)
    own, offsets = nhwc.parameters_of(of_unit, layout, target, blocks_of_unit)
    own = replace(
        own,
        filters=channels,
        output_stride_h=output_width * channels,
        output_stride_w=channels,
        unit_channels=unit,
        weights_size=(taps + 1) * unit,
    )
    return parameters, tuple(pack(own, offsets))
