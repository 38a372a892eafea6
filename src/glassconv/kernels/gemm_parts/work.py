"""What the implicit GEMM kernel does, counted from its blocking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, inf, log2, prod

from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.gemm_parts.blocking import GemmBlocking
from glassconv.kernels.gemm_parts.parameters import is_by_rows, is_packed_by_tasks, segments_of
from glassconv.kernels.microkernel.lowering import MAX_COLUMNS
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    activation_bytes,
    blocks_of,
    copy_loops,
    product_loops,
    row_copies,
)
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.memory_layout import NCHW, Layout


def phases_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking, threads: int
) -> tuple[Phase, ...]:
    """Return the packing, the lowering and the matrix product of all tasks."""
    filters, pixels = problem.gemm.m, prod(problem.output_size)
    repeats = ceil(filters / blocks.filter_block)  # each block of filters lowers its pixels again
    if layout.name == NCHW:
        lowering = lowering_nchw(problem, target, blocks.pixel_block)
    elif is_by_rows(problem, layout, target):
        lowering = _rows(problem, target, blocks)
    else:
        lowering = lowering_nhwc(problem, layout, target)
    footprint = activation_bytes(problem)
    read = Stream(repeats * problem.input_bytes, footprint)
    passes = problem.batch * ceil(pixels / blocks.pixel_block) - 1
    k_blocks = ceil(problem.gemm.k / blocks.k_block)
    product = tuple(_product(problem, layout, target, blocks))
    panels = _panel_bytes(problem, layout, blocks)
    is_packed = is_packed_by_tasks(problem, layout)
    streams = (
        # Once from memory, then for each block of pixels.
        Stream(problem.weight_bytes, problem.weight_bytes if is_packed else inf),
        Stream(passes * problem.weight_bytes, problem.weight_bytes / problem.groups),
        Stream(2 * problem.output_bytes, footprint),  # a line is read before it is written
        Stream(
            2 * (k_blocks - 1) * problem.output_bytes,
            footprint / (problem.batch * problem.groups),
        ),
        Stream(_row_tiles(problem, layout, target, blocks) * panels, panels),
    )
    loops = tuple(
        replace(loop, iterations=repeats * loop.iterations, entries=repeats * loop.entries)
        for loop in lowering
    )
    if blocks.buffer_stride:
        phases = [Phase(loops, (read,)), Phase(product, streams)]
    else:
        phases = [Phase(product, (*streams, read))]
    if is_packed:
        times = min(threads, problem.batch * ceil(pixels / blocks.pixel_block))
        phases.insert(0, _packing(problem, target, times))
    return tuple(phases)


def _packing(problem: ConvProblem, target: Target, times: int) -> Phase:
    """Return how each filter is packed by so many threads: vectors in, transposed, and out."""
    lanes = target.lanes(problem.dtype)
    vectors = times * problem.groups * problem.gemm.m * ceil(problem.gemm.k / lanes)
    runs = times * problem.groups * ceil(problem.gemm.m / lanes)
    # A vector takes part in log₂(lanes) rounds of shuffles.
    shuffled = Loop(vectors, multiply_adds=log2(lanes), loads=1, stores=1, entries=runs)
    return Phase((shuffled,), (Stream(times * problem.weight_bytes),))


def _product(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking
) -> Iterator[Loop]:
    """Yield the loops of the products of all blocks."""
    images, tile = problem.batch * problem.groups, target.tile()
    lanes, width = target.lanes(problem.dtype), problem.output_size[-1]
    by_rows = is_by_rows(problem, layout, target)
    pixel_block = width if by_rows else blocks.pixel_block  # a product for each row of outputs
    segments = problem.as_2d().kernel_size[0] if by_rows else 1
    for pixels, pixel_blocks in blocks_of(prod(problem.output_size), pixel_block):
        for filters, filter_blocks in blocks_of(problem.gemm.m, blocks.filter_block):
            for k, k_blocks in blocks_of(problem.gemm.k, blocks.k_block):
                times = images * pixel_blocks * filter_blocks * k_blocks
                if layout.name == NCHW:
                    yield from product_loops(filters, pixels, k, times, tile, lanes)
                else:
                    yield from product_loops(pixels, filters, k, times, tile, lanes, segments,
                                             tall=target.has_spare_row(),
                                             has_wide=target.has_mask_registers)  # fmt: skip


def _panel_bytes(problem: ConvProblem, layout: Layout, blocks: GemmBlocking) -> float:
    """Return the bytes of B that a row of tiles reads in a block of k."""
    columns = min(blocks.filters_in_l2, problem.gemm.m)
    if layout.name == NCHW:
        columns = min(blocks.pixel_block, prod(problem.output_size))
    return blocks.k_block * columns * ELEMENT_BYTES[problem.dtype]


def _row_tiles(problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking) -> float:
    """Return how many rows of tiles read such bytes, in all tasks."""
    pixels, filters = prod(problem.output_size), problem.gemm.m
    tallest = target.tile()[0]
    images = problem.batch * problem.groups * problem.gemm.k / blocks.k_block
    if layout.name == NCHW:
        return images * ceil(filters / tallest) * max(pixels / blocks.pixel_block, 1)
    return images * ceil(pixels / tallest) * max(filters / blocks.filters_in_l2, 1)


def lowering_nchw(problem: ConvProblem, target: Target, pixel_block: int) -> Iterator[Loop]:
    """Yield the copies of each tap of each channel: columns of vectors, or long rows."""
    lanes = target.lanes(problem.dtype)
    rows, columns = problem.as_2d().axes
    width = columns.output_size
    channels = problem.batch * problem.in_channels
    if width > MAX_COLUMNS * lanes:
        # A block may begin and end within a row.
        pixels = rows.output_size * width
        parts = rows.output_size + ceil(pixels / pixel_block) - 1
        copied = channels * prod(problem.as_2d().kernel_size) * parts
        yield from row_copies(ceil(pixels / parts), copied, columns.stride, lanes)
        return
    whole, masked = _vectors_of_a_row(columns, lanes)
    taps = channels * rows.taps_inside  # rows of outputs of all kernel rows, but those of padding
    blocks_of_rows = ceil(rows.output_size * width / pixel_block)
    runs = channels * rows.kernel_size * blocks_of_rows
    if columns.stride > 2:
        yield Loop(taps * whole, loads=lanes, stores=1, entries=runs * whole)
        yield Loop(taps * masked, gathers=1, stores=1, entries=runs * masked)
        return
    loads = columns.stride
    yield Loop(taps * whole, multiply_adds=loads - 1, loads=loads, stores=1, entries=runs * whole)
    yield Loop(taps * masked, masked_loads=loads, stores=1, entries=runs * masked)


def _vectors_of_a_row(columns: Axis, lanes: int) -> tuple[int, int]:
    """Return the vectors of an output row, for all taps of a kernel row: whole ones and others."""
    whole = masked = 0
    last = max(columns.output_size - lanes, 0)
    for tap in range(columns.kernel_size):
        inside, _ = columns.tap_slices(tap)
        for place in range(0, columns.output_size, lanes):
            first = min(place, last)
            if inside.start <= first and first + lanes <= inside.stop:
                whole += 1
            else:
                masked += 1
    return whole, masked


def lowering_nhwc(problem: ConvProblem, layout: Layout, target: Target) -> Iterator[Loop]:
    """Yield the copies of each segment of each pixel."""
    segments = segments_of(problem, layout)
    times = problem.batch * problem.groups * prod(problem.output_size) * segments.count
    yield from copy_loops(segments.length, times, target.lanes(problem.dtype))


def _rows(problem: ConvProblem, target: Target, blocks: GemmBlocking) -> Iterator[Loop]:
    """Yield the copies of the rows of pixels that each block of output rows reads."""
    rows, columns = problem.as_2d().axes
    for pixels, count in blocks_of(prod(problem.output_size), blocks.pixel_block):
        outputs = pixels // columns.output_size
        copied = problem.batch * count * ((outputs - 1) * rows.stride + rows.extent)
        yield from row_copies(blocks.buffer_stride, copied, 1, target.lanes(problem.dtype))
