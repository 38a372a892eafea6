"""The parameters of the Winograd kernels: sizes, strides, blocks, and offsets of arrays.

A thread's workspace holds, one after the other:

    V       [element, tile, channel]    the transformed input tiles of a block
    strip   [row, column, channel]      the buffer of the input transform
    sums    [row, column]               Σ|x| over the channels of a strip, for flatness.py
    uneven  [tile]                      1 for a tile that is not flat, else 0
    M       [element, tile, filter]     the products of some filters
    result                              the buffer of the output transform

The packed weight holds, one after the other:

    U       [group, element, panel, channel, filter of the panel]
    weight  [group, vector of filters, channel, tap, lane], for direct.py
    slack   [element, output of a tile], then `most`, for flatness.py
    undo    [group, filter of a panel]  what the outputs are multiplied by: 1 / the scales of pixels
                                        and filters (algorithms/parts/winograd_scale.py)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import Blocking, round_up
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout, output_strides

KERNEL_SIZE = 3  # along each axis
MAX_K_BLOCK = 512  # a 512 × 16 float32 panel of U fills a 32 KiB L1


@dataclass(frozen=True)
class WinogradBlocking(Blocking):
    """The blocks of a problem."""

    tile_block: int  # tiles per task
    filter_block: int  # filters per task
    filters_per_output_transform: (
        int  # filters that are multiplied, then transformed back, while M is in L2
    )
    filters_in_l1: int  # filters whose U for a block of channels fits in half of L1


@dataclass(frozen=True)
class WinogradParameters(Struct[N]):
    """The kernel's parameters; strides and offsets are in elements."""

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
    tiles_per_strip: N
    filter_block: N
    filter_blocks: N
    filters_per_output_transform: N
    filters_in_l1: N
    k_block: N
    channel_block: N  # channels per pass of the input transform
    strip_row_stride: N
    u_element_stride: N
    u_group_stride: N
    weight_offset: N
    weight_group_stride: N
    slack_offset: N
    undo_offset: N
    undo_group_stride: N
    v_tile_stride: N
    v_element_stride: N
    m_tile_stride: N
    m_element_stride: N
    strip_offset: N
    sums_offset: N
    sums_row_stride: N
    uneven_offset: N
    m_offset: N
    result_offset: N
    workspace_bytes: N


def parameters_of(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    tile_outputs: int,
    blocks: WinogradBlocking,
) -> WinogradParameters[int]:
    """Return the parameters of a problem; tile_outputs: outputs of a tile along each axis."""
    element, lanes = ELEMENT_BYTES[problem.dtype], target.lanes(problem.dtype)
    width, line = target.tile()[1] * lanes, CACHE_LINE // element
    stride = problem.stride[0]
    tile_size = size_of_tile(tile_outputs, stride)
    tile_elements = tile_size**2
    channels, filters = problem.weight_shape[1], problem.gemm.m
    (output_height, output_width), nchw = problem.output_size, layout.name == NCHW
    stride_n, stride_c, stride_h, stride_w = layout.strides
    output_n, output_c, output_h, output_w = output_strides(problem, layout)
    rows_of_tiles, tiles_per_row = (
        ceil(output_height / tile_outputs),
        ceil(output_width / tile_outputs),
    )
    tiles = problem.batch * rows_of_tiles * tiles_per_row
    padded_filters = round_up(filters, width)

    tiles_per_strip = min(tiles_per_row, 16 if nchw else 4)
    # Pixels along a strip: of its tiles, and those that the last one reads beyond them.
    strip_columns = tiles_per_strip * tile_outputs * stride + KERNEL_SIZE - stride
    channel_block = min(round_up(channels, lanes), line if nchw else 4 * line)
    strip_row_stride = round_up(strip_columns, lanes) * channel_block + line
    # One extra cache line avoids conflicts of rows in the sets of a cache.
    v_tile_stride = round_up(channels, lanes) + line
    m_tile_stride = blocks.filters_per_output_transform + line
    v_element_stride = _round_up_to_odd_lines(blocks.tile_block * v_tile_stride, line)
    m_element_stride = _round_up_to_odd_lines(blocks.tile_block * m_tile_stride, line)
    strip_offset = tile_elements * v_element_stride
    sums_offset = strip_offset + round_up(tile_size * strip_row_stride, line)
    sums_row_stride = round_up(strip_columns, lanes)
    uneven_offset = sums_offset + round_up(tile_size * sums_row_stride, line)
    m_offset = uneven_offset + round_up(blocks.tile_block, line)
    result_offset = m_offset + tile_elements * m_element_stride
    strip_outputs = tile_outputs * tiles_per_strip * tile_outputs
    result = (tile_outputs * tile_size + strip_outputs + tile_outputs * lanes) * lanes
    numbers = problem.groups * padded_filters * channels
    slack_offset = numbers * (tile_elements + KERNEL_SIZE**2)
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
        output_stride_n=output_n,
        output_stride_c=output_c,
        output_stride_h=output_h,
        output_stride_w=output_w,
        rows_of_tiles=rows_of_tiles,
        tiles_per_row=tiles_per_row,
        tiles=tiles,
        tile_block=blocks.tile_block,
        tile_blocks=ceil(tiles / blocks.tile_block),
        tiles_per_strip=tiles_per_strip,
        filter_block=blocks.filter_block,
        filter_blocks=ceil(padded_filters / blocks.filter_block),
        filters_per_output_transform=blocks.filters_per_output_transform,
        filters_in_l1=blocks.filters_in_l1,
        k_block=MAX_K_BLOCK,
        channel_block=channel_block,
        strip_row_stride=strip_row_stride,
        u_element_stride=padded_filters * channels,
        u_group_stride=tile_elements * padded_filters * channels,
        weight_offset=problem.groups * tile_elements * padded_filters * channels,
        weight_group_stride=KERNEL_SIZE**2 * padded_filters * channels,
        slack_offset=slack_offset,
        undo_offset=slack_offset + tile_elements * round_up(tile_outputs**2, lanes) + 1,
        undo_group_stride=padded_filters,
        v_tile_stride=v_tile_stride,
        v_element_stride=v_element_stride,
        m_tile_stride=m_tile_stride,
        m_element_stride=m_element_stride,
        strip_offset=strip_offset,
        sums_offset=sums_offset,
        sums_row_stride=sums_row_stride,
        uneven_offset=uneven_offset,
        m_offset=m_offset,
        result_offset=result_offset,
        workspace_bytes=round_up((result_offset + result) * element, CACHE_LINE),
    )


def size_of_tile(tile_outputs: int, stride: int) -> int:
    """Return how many pixels a tile has along an axis, and elements where it is transformed.

    F(m, 3) makes m + 2 elements of m + 2 pixels. With stride 2, F(m, 2) and F(m, 1) together make
    2m + 1 elements of 2m + 1 pixels.
    """
    return (tile_outputs - 1) * stride + KERNEL_SIZE


def _round_up_to_odd_lines(number: int, line: int) -> int:
    """Round up to an odd number of cache lines, which avoids conflicts in the sets of a cache."""
    lines = ceil(number / line)
    return (lines + (lines % 2 == 0)) * line
