"""What the weight gradient's kernel does, counted from its blocking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import ceil, log2, prod

from glassconv.codegen.target import Target
from glassconv.kernels.gemm_parts.parameters import segments_of
from glassconv.kernels.gemm_parts.work import lowering_nchw, lowering_nhwc
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    activation_bytes,
    blocks_of,
    product_loops,
)
from glassconv.kernels.weight_gradients.gemm_parts.blocking import GradientBlocking
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout


def phases_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GradientBlocking
) -> tuple[Phase, ...]:
    """Return the lowering, the packing and the products of all tasks, and the addition of parts."""
    lanes, footprint = target.lanes(problem.dtype), activation_bytes(problem)
    filter_blocks = ceil(problem.gemm.m / blocks.filter_block)
    segments = segments_of(problem, layout)
    channel_blocks = ceil(segments.count / blocks.channel_block)
    sums_bytes = blocks.parts * problem.weight_bytes
    lowering: Iterable[Loop] = ()
    if blocks.buffer_stride and layout.name == NCHW:
        lowering = lowering_nchw(problem, target, blocks.pixel_block)
    elif blocks.buffer_stride:
        lowering = lowering_nhwc(problem, layout, target)
    lowered = tuple(
        replace(
            loop, iterations=filter_blocks * loop.iterations, entries=filter_blocks * loop.entries
        )
        for loop in lowering
    )
    return (
        Phase(lowered, (Stream(filter_blocks * problem.input_bytes, footprint),)),
        Phase(
            (_packing(problem, lanes, channel_blocks),),
            (Stream(channel_blocks * problem.output_bytes, footprint),),
        ),
        Phase(
            tuple(_product(problem, layout, target, blocks)),
            (Stream(2 * sums_bytes, sums_bytes),),  # a line is read before it is written
        ),
        Phase(
            (_addition(problem, lanes, blocks),),
            (Stream(sums_bytes, sums_bytes), Stream(2 * problem.weight_bytes)),
        ),
    )


def _packing(problem: ConvProblem, lanes: int, times: int) -> Loop:
    """Return how the output's gradient is packed: vectors in, transposed, and out."""
    vectors = times * problem.batch * problem.out_channels * ceil(prod(problem.output_size) / lanes)
    return Loop(vectors, multiply_adds=log2(lanes), loads=1, stores=1, entries=vectors / lanes)


def _product(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GradientBlocking
) -> Iterator[Loop]:
    """Yield the loops of the products of all blocks."""
    tile, lanes = target.tile(), target.lanes(problem.dtype)
    pixels, segments = prod(problem.output_size), segments_of(problem, layout)
    for rows, channel_blocks in blocks_of(problem.gemm.k, blocks.channel_block * segments.length):
        for filters, filter_blocks in blocks_of(problem.gemm.m, blocks.filter_block):
            for images, image_blocks in blocks_of(problem.batch, blocks.images_per_block):
                for steps, pixel_blocks in blocks_of(pixels, blocks.pixel_block):
                    times = problem.groups * channel_blocks * filter_blocks
                    times *= image_blocks * pixel_blocks
                    yield from product_loops(
                        rows, filters, images * steps, times, tile, lanes,
                        tall=target.has_spare_row(),
                    )  # fmt: skip


def _addition(problem: ConvProblem, lanes: int, blocks: GradientBlocking) -> Loop:
    """Return the loop that adds the parts of a vector of rows and of filters, and transposes it."""
    vectors = problem.groups * problem.gemm.k * ceil(problem.gemm.m / lanes)
    return Loop(
        vectors,
        multiply_adds=blocks.parts - 1 + log2(lanes),
        loads=blocks.parts,
        stores=1,
        entries=vectors * blocks.parts / lanes,
    )
