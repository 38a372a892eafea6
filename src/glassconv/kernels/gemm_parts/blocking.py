"""How the implicit GEMM kernel divides a problem into tasks, and a task into products."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.gemm_parts.blocks import block_size, task_blocks
from glassconv.kernels.gemm_parts.parameters import (
    is_im2col_matrix,
    is_read_in_place,
    row_length,
    to_2d,
)
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import Blocking, round_up, tasks_wanted
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC, Layout

MIN_MACS_PER_TASK = 500_000
LOWERING = 12  # filters: an element is lowered while another is multiplied by so many (NCHW)
FILTER_UNIT = 4  # of a task in NCHW, where filters are the rows of tiles


@dataclass(frozen=True)
class GemmBlocking(Blocking):
    """The blocks of a problem in the kernel's loops, from the outermost to the innermost."""

    filter_block: int  # filters of a task
    pixel_block: int  # pixels of a task
    k_block: int  # steps of the reduction per im2col and matrix product
    filters_in_l2: int  # filters whose packed weights for a block of k fit in half of L2 (NHWC)
    buffer_stride: int  # elements from one row of the buffer to the next; 0: it is not used
    packed_elements: int  # of the filters that a task packs, before the buffer (1 × 1, NHWC)
    workspace_bytes: int  # per thread: the packed filters and the buffer


def blocking_of(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    k_block: int,
    by_rows: bool,
    is_packed: bool,
) -> GemmBlocking:
    """Return the blocks of a problem for a given block of k, unless it is computed by rows.

    is_packed: whether tasks pack their filters.
    """
    rows, columns = to_2d(problem, layout).axes
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    width = panel_width(problem.dtype, target)
    max_elements = target.l2 // 2 // element
    if by_rows:
        k_block, length = problem.gemm.k, row_length(problem, layout)
        max_rows = max(0, max_elements // length - rows.extent) // rows.stride + 1
        pixel_unit, max_pixels = columns.output_size, max_rows * columns.output_size
    elif layout.name == NCHW:
        pixel_unit, max_pixels = width, max_elements // k_block
    else:
        pixel_unit, max_pixels = target.tile()[0], max_elements // (k_block + lanes)
    filter_unit = FILTER_UNIT if layout.name == NCHW else width
    pixel_block, filter_block = task_blocks(
        pixels=prod(problem.output_size),
        filters=problem.gemm.m,
        images=problem.batch * problem.groups,
        threads=threads,
        max_tasks=tasks_wanted(problem, threads, MIN_MACS_PER_TASK) if threads > 1 else 1,
        max_pixels=max_pixels,
        pixel_unit=pixel_unit,
        filter_unit=filter_unit,
        lowering=0 if layout.name == NHWC or is_im2col_matrix(to_2d(problem, layout)) else LOWERING,
    )
    after = width  # elements after the buffer
    if by_rows:
        buffer_stride = length
        buffer_rows = (pixel_block // pixel_unit - 1) * rows.stride + rows.extent
    elif layout.name == NCHW:
        # The im2col may write a vector past the last pixel. An odd number of panels avoids
        # conflicts of rows in the sets of a cache.
        panels = ceil((pixel_block + lanes) / width)
        buffer_stride, buffer_rows = (panels + (panels % 2 == 0)) * width, k_block
        after = k_block + lanes  # of matrix_vector.py
    else:
        buffer_stride, buffer_rows = k_block + lanes, pixel_block
    if is_read_in_place(problem, layout, target, pixel_block):
        buffer_stride = 0
    packed_elements = filter_block * problem.gemm.k if is_packed else 0
    # The packed weights that a block of pixels rereads must fit in half of L2.
    max_filters_in_l2 = max(target.l2 // 2 // element // k_block, width)
    return GemmBlocking(
        filter_block=filter_block,
        pixel_block=pixel_block,
        k_block=k_block,
        filters_in_l2=block_size(filter_block, filter_unit, ceil(filter_block / max_filters_in_l2)),
        buffer_stride=buffer_stride,
        packed_elements=packed_elements,
        workspace_bytes=round_up(
            (packed_elements + buffer_rows * buffer_stride + after) * element, CACHE_LINE
        ),
    )


def tasks_of(problem: ConvProblem, blocks: GemmBlocking) -> int:
    """Return how many tasks a problem is."""
    pixel_blocks = ceil(prod(problem.output_size) / blocks.pixel_block)
    filter_blocks = ceil(problem.gemm.m / blocks.filter_block)
    return problem.batch * problem.groups * pixel_blocks * filter_blocks


def max_threads(problem: ConvProblem, tasks: int) -> int:
    """Return how many threads have enough work."""
    return max(1, min(tasks, problem.macs // MIN_MACS_PER_TASK))


def panel_width(dtype: str, target: Target) -> int:
    """Return how many filters or pixels a panel of the register tile has."""
    return target.tile()[1] * target.lanes(dtype)
