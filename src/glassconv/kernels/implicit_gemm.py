"""Compiled implicit GEMM: im2col one block at a time, followed by a register-tiled matrix product.

    NCHW   output[filter, pixel] = weight[filter, k] · lowered[k, pixel]    unpacked weights
    NHWC   output[pixel, filter] = lowered[pixel, k] · packed[k, filter]    packed weights, cached

In NHWC the tasks of a 1 × 1 kernel pack their own filters, and nothing is cached: see
gemm_parts/pack.py.

A pixel is one output position. A task computes a block of pixels × a block of filters of one image
and group. For each block of k it performs im2col into a buffer that fits in L2, and accumulates the
matrix product. The input of a 1 × 1 kernel already is the matrix, and is read in place. In NHWC, if
the weights fit in cache, it copies rows of pixels instead, which with their padding already are the
matrices of their windows (gemm_parts/rows.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from math import ceil, prod

from glassconv.codegen.ir import Function, Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import Target
from glassconv.kernels.gemm_parts.blocking import (
    GemmBlocking,
    blocking_of,
    max_threads,
    panel_width,
    tasks_of,
)
from glassconv.kernels.gemm_parts.panel_packing import PanelPacking
from glassconv.kernels.gemm_parts.parameters import (
    MAX_K_BLOCK,
    GemmParameters,
    is_by_rows,
    is_packed_by_tasks,
    segments_of,
    to_2d,
)
from glassconv.kernels.gemm_parts.rows import emit_task_by_rows
from glassconv.kernels.gemm_parts.task import emit_task_nchw, emit_task_nhwc, emit_task_packing
from glassconv.kernels.gemm_parts.work import phases_of
from glassconv.kernels.microkernel.register_tile import main_height
from glassconv.kernels.runtime.cost_model import Work, copy_of
from glassconv.kernels.runtime.loop_text import (
    at_a_time,
    describe_batch,
    describe_blocks,
    describe_loop_nest,
)
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, NHWC, Layout, output_strides
from glassconv.reports.verdict import Verdict

IN_PLACE = "in place"  # NCHW without im2col
BY_ROWS = "by rows"  # NHWC without im2col
PACKING = "packing"  # NHWC, whose tasks pack their filters
MAX_TAPS = 4096  # a block of k must hold all taps of a channel


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether the problem is 1D or 2D, in float32 or float64, with a small enough kernel."""
    common = supports_common(problem)
    if not common:
        return common
    if prod(problem.kernel_size) > MAX_TAPS:
        return Verdict(False, f"kernel size must not exceed {MAX_TAPS} taps")
    return Verdict(True, "blocked im2col and register-tiled GEMM")


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a supported problem, for inputs in the given memory layout."""
    is_packed = is_packed_by_tasks(problem, layout)
    return _plan(problem, layout, target, threads, epilogue, is_packed)


def frozen_plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a supported problem whose weight does not change: no task packs its filters."""
    return _plan(problem, layout, target, threads, epilogue, False)


def _plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue,
    is_packed: bool,
) -> Plan:
    """Plan a supported problem; is_packed: whether tasks pack their filters."""
    blocks = _blocking(problem, layout, target, threads, is_packed)
    parameters = parameters_of(problem, layout, blocks)
    tasks = tasks_of(problem, blocks)
    return Plan(
        problem,
        layout,
        _compile(problem.dtype, _way(problem, layout, target, blocks), target, epilogue),
        blocks,
        pack(parameters),
        tasks,
        blocks.workspace_bytes,
        max_threads=max_threads(problem, tasks),
        pack=None if is_packed else packing(problem, layout, target),
        loops=_loops(problem, layout, target, blocks),
        hot_function=hot_function_of(problem, layout, target, blocks),
    )


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    is_packed = is_packed_by_tasks(problem, layout)
    blocks = _blocking(problem, layout, target, threads, is_packed)
    tasks = tasks_of(problem, blocks)
    is_read = layout.name == NCHW or is_packed  # as it is
    return Work(
        phases_of(problem, layout, target, blocks, threads),
        tasks,
        min(threads, max_threads(problem, tasks)),
        checked_bytes=0 if is_read else problem.weight_bytes,
        packing=() if is_read else (copy_of(problem.weight_bytes),),
    )


def blocking(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> GemmBlocking:
    """Return the blocks of a problem."""
    is_packed = is_packed_by_tasks(problem, layout)
    return _blocking(problem, layout, target, threads, is_packed)


def _blocking(
    problem: ConvProblem, layout: Layout, target: Target, threads: int, is_packed: bool
) -> GemmBlocking:
    segments = segments_of(problem, layout)
    k_block = segments.length * min(segments.count, max(1, MAX_K_BLOCK // segments.length))
    by_rows = is_by_rows(problem, layout, target)
    return blocking_of(problem, layout, target, threads, k_block, by_rows, is_packed)


def parameters_of(
    problem: ConvProblem, layout: Layout, blocks: GemmBlocking
) -> GemmParameters[int]:
    """Return the kernel's parameters for a problem in such blocks."""
    problem_2d, segments = to_2d(problem, layout), segments_of(problem, layout)
    rows, columns = problem_2d.axes
    stride_n, stride_c, stride_h, stride_w = layout.strides
    pixels, filters = prod(problem.output_size), problem.gemm.m
    output_n, output_c, *_, output_w = output_strides(problem, layout)
    return GemmParameters(
        channels=problem.weight_shape[1],
        input_height=rows.input_size,
        input_width=columns.input_size,
        kernel_height=rows.kernel_size,
        kernel_width=columns.kernel_size,
        output_width=columns.output_size,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        dilation_w=columns.dilation,
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        input_stride_w=stride_w,
        output_stride_n=output_n,
        output_stride_c=output_c,
        output_stride_w=output_w,
        filters=filters,
        groups=problem.groups,
        pixels=pixels,
        k=problem.gemm.k,
        pixel_block=blocks.pixel_block,
        pixel_blocks=ceil(pixels / blocks.pixel_block),
        filter_block=blocks.filter_block,
        filter_blocks=ceil(filters / blocks.filter_block),
        filters_in_l2=blocks.filters_in_l2,
        segments=segments.count,
        taps_per_segment=segments.taps,
        segment_length=segments.length,
        segments_per_block=blocks.k_block // segments.length,
        needs_lowering=int(blocks.buffer_stride > 0),
        buffer_stride=blocks.buffer_stride,
        packed_elements=blocks.packed_elements,
        workspace_bytes=blocks.workspace_bytes,
    )


# -- as text ----------------------------------------------------------------------------------


def _product_size(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking
) -> tuple[int, int]:
    """Return the rows and columns of C in one matrix product."""
    filters = min(blocks.filter_block, problem.gemm.m)
    if is_by_rows(problem, layout, target):
        return problem.output_size[-1], filters
    pixels = min(blocks.pixel_block, prod(problem.output_size))
    if layout.name == NCHW:
        return filters, pixels
    return pixels, min(filters, blocks.filters_in_l2)


def hot_function_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking
) -> str:
    """Return the name of the function that computes most of the product."""
    m, n = _product_size(problem, layout, target, blocks)
    lanes = target.lanes(problem.dtype)
    rows, vectors = main_height(m, target.tile()[0]), target.tile()[1]
    if n >= lanes:
        return f"tiles_{rows}x{vectors if n >= vectors * lanes else 1}"
    return f"masked_tiles_{rows}x1"


def _loops(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking
) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    m, n = _product_size(problem, layout, target, blocks)
    m_unit, n_unit = ("filters", "pixels") if layout.name == NCHW else ("pixels", "filters")
    pixels = min(blocks.pixel_block, prod(problem.output_size))
    filters = min(blocks.filter_block, problem.gemm.m)
    rows = main_height(m, target.tile()[0])
    vectors = target.tile()[1] if n >= panel_width(problem.dtype, target) else 1
    tile = f"for {blocks.k_block:,} steps: the register tile, {rows} × {vectors} vectors"
    loops: list[str | list[str]] = [f"for {at_a_time(m, m_unit, rows)}"]
    if layout.name == NHWC and n < filters:
        loops.insert(0, f"for {at_a_time(filters, 'filters', n)}")
    if is_by_rows(problem, layout, target):
        output_rows = pixels // m
        copy = f"copy the rows of pixels that {output_rows:,} rows of outputs read, with padding"
        loops.insert(0, [copy, f"for {at_a_time(output_rows, 'rows of outputs', 1)}"])
    else:
        if blocks.buffer_stride:
            im2col = f"im2col into the buffer: {blocks.k_block:,} × {pixels:,} pixels"
            loops[0] = [im2col, str(loops[0])]
        k = at_a_time(problem.gemm.k, "multiply-adds of each output", blocks.k_block)
        loops.insert(0, f"for {k}")
    if blocks.packed_elements:
        pack = f"pack the {filters:,} filters, unless the task before on this thread had the same"
        loops[0] = [pack, str(loops[0])]
    return describe_loop_nest(
        f"for {describe_batch(problem.batch, problem.groups)}, "
        f"{describe_blocks(problem.gemm.m, blocks.filter_block, 'filters')}",
        f"for {describe_blocks(prod(problem.output_size), blocks.pixel_block, 'pixels')}: a task",
        *loops,
        f"for {at_a_time(n, n_unit, panel_width(problem.dtype, target))}",
        tile,
    )


def packing(problem: ConvProblem, layout: Layout, target: Target) -> PanelPacking | None:
    """Return the packing of a problem's weight; None where the kernel reads it as it is."""
    if layout.name == NCHW:
        return None
    width = panel_width(problem.dtype, target)
    return PanelPacking(problem.weight_shape, problem.groups, width, problem.dtype, target)


# -- in machine code --------------------------------------------------------------------------


def _way(problem: ConvProblem, layout: Layout, target: Target, blocks: GemmBlocking) -> str:
    """Return which of the kernel's tasks a problem takes."""
    if is_by_rows(problem, layout, target):
        return BY_ROWS
    if layout.name == NCHW:
        return NCHW if blocks.buffer_stride else IN_PLACE
    return PACKING if blocks.packed_elements else NHWC


@cache
def _compile(dtype: str, way: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("implicit_gemm", dtype, target)
    emit_task: dict[str, Callable[[Module, Epilogue], Function]] = {
        NCHW: partial(emit_task_nchw, in_place=False),
        IN_PLACE: partial(emit_task_nchw, in_place=True),
        NHWC: emit_task_nhwc,
        BY_ROWS: emit_task_by_rows,
        PACKING: emit_task_packing,
    }
    in_parallel(module, emit_task[way](module, epilogue))
    return compiled(module, "implicit_gemm")
