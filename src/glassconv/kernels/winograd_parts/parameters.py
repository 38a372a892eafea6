"""What Winograd's machine code reads: sizes, strides, blocks, and where its arrays are in memory.

A thread's workspace holds, one after the other:

    V       [element, tile, channel]    a block's transformed tiles
    strip   [row, column, channel]      what the input transform works on
    M       [element, tile, filter]     the products of a part of the filters
    result  what the output transform works on

The packed weight holds U [group, element, panel, channel, filter of the panel], then the weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import Blocking, round_up
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout

TAPS = 3  # of a filter, along each axis
LONGEST_K = 512  # of a block: a panel of U as long, 16 floats wide, fills L1


@dataclass(frozen=True)
class WinogradBlocking(Blocking):
    """The blocks of a problem."""

    tile_block: int  # tiles of a task
    filter_block: int  # filters of a task
    filter_part: int  # filters that are multiplied, then transformed back, while M is in L2
    filters_in_l1: int  # filters whose U for a block of channels fits half of L1


@dataclass(frozen=True)
class WinogradParameters(Struct[N]):
    """What the kernel reads; strides and offsets in elements."""

    channels: N  # of a group
    filters: N  # of a group
    input_height: N
    input_width: N
    output_height: N
    output_width: N
    padding_h: N
    padding_w: N
    input_stride_n: N
    input_stride_c: N
    input_stride_h: N
    input_stride_w: N
    output_stride_n: N
    output_stride_c: N
    output_stride_h: N
    output_stride_w: N
    rows_of_tiles: N  # of an image
    tiles_per_row: N
    tiles: N  # of all images
    tile_block: N
    tile_blocks: N
    strip_tiles: N
    filter_block: N
    filter_blocks: N
    filter_part: N
    filters_in_l1: N
    k_block: N
    channel_part: N  # channels that are transformed together
    strip_stride: N  # from one row of a strip to the next
    u_element_stride: N
    u_group_stride: N
    raw_weight_offset: N
    v_tile_stride: N
    v_element_stride: N
    m_tile_stride: N
    m_element_stride: N
    strip_offset: N
    m_offset: N
    result_offset: N
    workspace_bytes: N


def parameters_of(
    problem: ConvProblem, layout: Layout, target: Target, outputs: int, cut: WinogradBlocking
) -> WinogradParameters[int]:
    """Return the parameters of a problem; outputs: of a tile, along each axis."""
    element, lanes = ELEMENT_BYTES[problem.dtype], target.lanes(problem.dtype)
    width, line = target.tile()[1] * lanes, CACHE_LINE // element
    side = outputs + TAPS - 1
    elements = side**2
    channels, filters = problem.weight_shape[1], problem.gemm.m
    (output_height, output_width), nchw = problem.output_size, layout.name == NCHW
    stride_n, stride_c, stride_h, stride_w = layout.strides
    rows_of_tiles, tiles_per_row = ceil(output_height / outputs), ceil(output_width / outputs)
    tiles = problem.batch * rows_of_tiles * tiles_per_row
    whole_filters = round_up(filters, width)

    strip_tiles = min(tiles_per_row, 16 if nchw else 4)
    channel_part = min(round_up(channels, lanes), line if nchw else 4 * line)
    strip_stride = round_up(strip_tiles * outputs + TAPS - 1, lanes) * channel_part + line
    # One line more: rows are spread over the sets of a cache.
    v_tile_stride, m_tile_stride = round_up(channels, lanes) + line, cut.filter_part + line
    v_element_stride = _odd_lines(cut.tile_block * v_tile_stride, line)
    m_element_stride = _odd_lines(cut.tile_block * m_tile_stride, line)
    strip_offset = elements * v_element_stride
    m_offset = strip_offset + round_up(side * strip_stride, line)
    result_offset = m_offset + elements * m_element_stride
    result = (outputs * side + outputs * strip_tiles * outputs + outputs * lanes) * lanes
    return WinogradParameters(
        channels=channels,
        filters=filters,
        input_height=problem.input_size[0],
        input_width=problem.input_size[1],
        output_height=output_height,
        output_width=output_width,
        padding_h=problem.padding[0][0],
        padding_w=problem.padding[1][0],
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        input_stride_w=stride_w,
        output_stride_n=problem.out_channels * output_height * output_width,
        output_stride_c=output_height * output_width if nchw else 1,
        output_stride_h=output_width if nchw else output_width * problem.out_channels,
        output_stride_w=1 if nchw else problem.out_channels,
        rows_of_tiles=rows_of_tiles,
        tiles_per_row=tiles_per_row,
        tiles=tiles,
        tile_block=cut.tile_block,
        tile_blocks=ceil(tiles / cut.tile_block),
        strip_tiles=strip_tiles,
        filter_block=cut.filter_block,
        filter_blocks=ceil(whole_filters / cut.filter_block),
        filter_part=cut.filter_part,
        filters_in_l1=cut.filters_in_l1,
        k_block=LONGEST_K,
        channel_part=channel_part,
        strip_stride=strip_stride,
        u_element_stride=whole_filters * channels,
        u_group_stride=elements * whole_filters * channels,
        raw_weight_offset=problem.groups * elements * whole_filters * channels,
        v_tile_stride=v_tile_stride,
        v_element_stride=v_element_stride,
        m_tile_stride=m_tile_stride,
        m_element_stride=m_element_stride,
        strip_offset=strip_offset,
        m_offset=m_offset,
        result_offset=result_offset,
        workspace_bytes=round_up((result_offset + result) * element, CACHE_LINE),
    )


def _odd_lines(number: int, line: int) -> int:
    """Return an odd number of whole lines: arrays so far apart are spread over a cache's sets."""
    lines = ceil(number / line)
    return (lines + (lines % 2 == 0)) * line
