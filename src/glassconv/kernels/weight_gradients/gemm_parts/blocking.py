"""The blocks of the weight gradient by matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.gemm_parts.blocks import block_size
from glassconv.kernels.gemm_parts.parameters import is_im2col_matrix, segments_of, to_2d
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import Blocking, round_up
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout

PIXELS_AT_ONCE = 256  # a panel of so many output gradients fills half of a 32 KiB L1 in float32
ROWS_AT_ONCE = 288  # rows of a task, at least those of one channel
FILTERS_AT_ONCE = 128
TASKS = 16  # into which a problem is divided, by parts of its pixels where it has fewer blocks
MIN_MACS_PER_TASK = 500_000
ALIASING = 4096  # bytes; rows at a multiple of this distance are in the same sets of L1


@dataclass(frozen=True)
class GradientBlocking(Blocking):
    """The blocks of a problem."""

    channel_block: int  # channels of a task; in channels last taps, or all taps of a kernel row
    filter_block: int  # filters of a task
    pixel_block: int  # pixels of an image in a block
    images_per_block: int
    parts: int  # into which all blocks are divided
    parts_at_once: int  # whose sums are in memory together
    blocks_per_part: int
    buffer_stride: int  # elements from one row of the lowered input to the next; 0: not lowered
    workspace_bytes: int  # per thread


def blocking(problem: ConvProblem, layout: Layout, target: Target) -> GradientBlocking:
    """Return the blocks of a problem, which do not depend on the number of threads."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    length = segments_of(problem, layout).length
    channel_block = channel_block_of(problem, layout, max(ROWS_AT_ONCE, length))
    rows = channel_block * length
    pixels, most = prod(problem.output_size), PIXELS_AT_ONCE * 4 // element
    if rows > ROWS_AT_ONCE:
        most = max(most * ROWS_AT_ONCE // rows, lanes)
    pixel_block = block_size(pixels, lanes, ceil(pixels / most)) if pixels > most else pixels
    images = min(problem.batch, max(1, most // pixels))
    blocks = ceil(problem.batch / images) * ceil(pixels / pixel_block)
    parts = min(parts_wanted(problem, layout, target, channel_block), blocks)
    return blocking_of(
        problem, layout, target, channel_block, pixel_block, images,
        blocks_per_part=ceil(blocks / parts), parts_at_once=parts,
    )  # fmt: skip


def channel_block_of(problem: ConvProblem, layout: Layout, rows: int) -> int:
    """Return how many channels, or segments of taps, a task of at most so many rows has."""
    return ceil(segments_of(problem, layout).count / ceil(problem.gemm.k / rows))


def parts_wanted(problem: ConvProblem, layout: Layout, target: Target, channel_block: int) -> int:
    """Return into how many parts to divide the pixels, so that there are enough tasks."""
    blocks = ceil(segments_of(problem, layout).count / channel_block)
    filter_block = _filter_block(problem, target)
    units = problem.groups * blocks * ceil(problem.gemm.m / filter_block)
    return max(1, min(ceil(TASKS / units), problem.macs // units // MIN_MACS_PER_TASK))


def blocking_of(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    channel_block: int,
    pixel_block: int,
    images: int,
    *,
    blocks_per_part: int,
    parts_at_once: int,
) -> GradientBlocking:
    """Return the blocks of a problem with tasks of these sizes, and the memory they take."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    width, filter_block = target.tile()[1] * lanes, _filter_block(problem, target)
    rows = channel_block * segments_of(problem, layout).length
    blocks = ceil(problem.batch / images) * ceil(prod(problem.output_size) / pixel_block)
    parts = ceil(blocks / blocks_per_part)
    steps, lowered = images * pixel_block, 0
    buffer_stride = 0
    if not _is_read_in_place(problem, layout, images, element):
        if layout.name == NCHW:
            buffer_stride = round_up(steps + lanes, lanes) + lanes
            lowered = rows * buffer_stride + lanes
        else:
            buffer_stride = rows + lanes
            lowered = steps * buffer_stride + lanes
    panels = round_up(filter_block, width) * steps
    return GradientBlocking(
        channel_block,
        filter_block,
        pixel_block,
        images,
        parts=parts,
        parts_at_once=min(parts, parts_at_once),
        blocks_per_part=blocks_per_part,
        buffer_stride=buffer_stride,
        workspace_bytes=round_up((panels + steps + lowered) * element, CACHE_LINE),
    )


def _filter_block(problem: ConvProblem, target: Target) -> int:
    width, filters = target.tile()[1] * target.lanes(problem.dtype), problem.gemm.m
    return block_size(filters, width, ceil(filters / FILTERS_AT_ONCE))


def _is_read_in_place(problem: ConvProblem, layout: Layout, images: int, element: int) -> bool:
    """Return whether the input already is the matrix: of a 1 × 1 kernel that reads every pixel.

    With channels last, the pixels of several images are rows of one matrix.
    """
    if not is_im2col_matrix(to_2d(problem, layout)):
        return False
    if layout.name != NCHW:
        return True
    return images == 1 and layout.strides[1] * element % ALIASING > 0


def tasks_of(problem: ConvProblem, layout: Layout, blocks: GradientBlocking) -> int:
    """Return how many tasks a problem is."""
    channel_blocks = ceil(segments_of(problem, layout).count / blocks.channel_block)
    filter_blocks = ceil(problem.gemm.m / blocks.filter_block)
    return blocks.parts * problem.groups * channel_blocks * filter_blocks


def max_threads(problem: ConvProblem, tasks: int) -> int:
    """Return how many threads so many tasks are worth."""
    return max(1, min(tasks, problem.macs // MIN_MACS_PER_TASK))
