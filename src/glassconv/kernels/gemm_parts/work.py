"""What the implicit GEMM kernel does, counted from its blocking."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod
from typing import TYPE_CHECKING

from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.gemm_parts.parameters import segments_of
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    activation_bytes,
    blocks_of,
    copy_loops,
    product_loops,
)
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout

if TYPE_CHECKING:
    from glassconv.kernels.implicit_gemm import GemmBlocking


def phases_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking
) -> tuple[Phase, ...]:
    """Return the lowering and the matrix product of all tasks."""
    if layout.name == NCHW:
        lowering = tuple(_lowering_nchw(problem, target, blocks))
    else:
        lowering = tuple(_lowering_nhwc(problem, layout, target, blocks))
    element, images = ELEMENT_BYTES[problem.dtype], problem.batch * problem.groups
    filters, pixels, k = problem.gemm.m, prod(problem.output_size), problem.gemm.k
    filter_blocks = ceil(filters / blocks.filter_block)
    footprint = activation_bytes(problem)
    read = Stream(filter_blocks * problem.input_bytes, footprint)
    product: list[Loop] = []
    for pixel_block, pixel_blocks in blocks_of(pixels, blocks.pixel_block):
        for filter_block, number in blocks_of(filters, blocks.filter_block):
            for k_block, k_blocks in blocks_of(k, blocks.k_block):
                times = images * pixel_blocks * number * k_blocks
                m, n = pixel_block, filter_block
                if layout.name == NCHW:
                    m, n = filter_block, pixel_block
                product += product_loops(
                    m, n, k_block, times, target.tile(), target.lanes(problem.dtype)
                )
    weight_bytes = problem.weight_bytes
    passes = problem.batch * ceil(pixels / blocks.pixel_block) - 1
    k_blocks = ceil(k / blocks.k_block)
    written = Stream(2 * problem.output_bytes, footprint)  # a line is read before it is written
    panel_bytes, panels = _panels(layout, target, blocks, element)
    streams = (
        Stream(weight_bytes),  # once from memory, then for each block of pixels
        Stream(passes * weight_bytes, weight_bytes / problem.groups),
        written,
        Stream(2 * (k_blocks - 1) * problem.output_bytes, footprint / max(images, 1)),
        Stream(panel_bytes * _row_tiles(problem, layout, target, blocks), panels),
    )
    return (Phase(lowering, (read,)), Phase(tuple(product), streams))


def _panels(
    layout: Layout, target: Target, blocks: GemmBlocking, element: int
) -> tuple[float, float]:
    """Return the bytes of B that a row of tiles reads in a block of k, and their footprint."""
    columns = blocks.pixel_block if layout.name == NCHW else blocks.filters_in_l2
    size = blocks.k_block * columns * element
    return size, size


def _row_tiles(problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking) -> float:
    """Return how many rows of tiles read such bytes, in all tasks."""
    pixels, filters = prod(problem.output_size), problem.gemm.m
    tallest = target.tile()[0]
    images = problem.batch * problem.groups * problem.gemm.k / blocks.k_block
    if layout.name == NCHW:
        return images * ceil(filters / tallest) * pixels / blocks.pixel_block
    return images * ceil(pixels / tallest) * filters / blocks.filters_in_l2


def _lowering_nchw(problem: ConvProblem, target: Target, blocks: GemmBlocking) -> Iterator[Loop]:
    """Yield the copies of each tap of each channel, by rows of the output."""
    lanes = target.lanes(problem.dtype)
    rows, columns = problem.as_2d().axes
    pixels, width = rows.output_size * columns.output_size, columns.output_size
    repeats = problem.batch * problem.in_channels * ceil(problem.gemm.m / blocks.filter_block)
    # A block may begin and end within a row.
    parts = rows.output_size + ceil(pixels / blocks.pixel_block) - 1
    taps = repeats * prod(problem.kernel_size)
    vectors = ceil(pixels / parts / lanes)
    if columns.stride == 1:
        masked = min(vectors, (columns.padding != (0, 0)) + (width % lanes > 0))
        yield Loop(taps * parts * (vectors - masked), loads=1, stores=1, entries=taps * parts)
        yield Loop(taps * parts * masked, masked_loads=1, stores=1)
    elif columns.stride == 2:
        yield Loop(taps * parts * (vectors - 1), loads=2, stores=1, entries=taps * parts)
        yield Loop(taps * parts, masked_loads=2, stores=1)
    else:
        yield Loop(taps * parts * vectors, gathers=1, stores=1, entries=taps * parts)


def _lowering_nhwc(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking
) -> Iterator[Loop]:
    """Yield the copies of each segment of each pixel."""
    segments = segments_of(problem, layout)
    if segments.needs_lowering:
        pixels = problem.batch * problem.groups * prod(problem.output_size)
        times = pixels * segments.count * ceil(problem.gemm.m / blocks.filter_block)
        yield from copy_loops(segments.length, times, target.lanes(problem.dtype))
