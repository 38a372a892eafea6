"""Compiled weight gradient: the register tile with pixels as k, from an input lowered in blocks.

    sums[part, row, filter] = Σ_pixels lowered[row, pixel] · grad[pixel, filter]
    weight[filter, row] = Σ_part sums[part, row, filter]

A row is one channel and tap of a group, and lowered is the im2col matrix. A part is a range of
images and pixels. A task adds the products of one part, for some channels and some filters, block
by block. A second kernel adds the parts. The parts and the blocks depend on the problem and the
processor's caches, never on the number of threads, so the result has the same bits for any of them:

    block   one chain of fused multiply-adds over its pixels, image by image, row by row
    part    its blocks, added in order
    weight  its parts, added in order
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from math import ceil, prod

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import Target
from glassconv.kernels.gemm_parts.parameters import segments_of
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.cost_model import Work
from glassconv.kernels.runtime.loop_text import at_a_time, describe_blocks, describe_loop_nest
from glassconv.kernels.runtime.support import supports_common
from glassconv.kernels.weight_gradients import bounds
from glassconv.kernels.weight_gradients.gemm_parts.blocking import (
    GradientBlocking,
    blocking,
    max_threads,
    tasks_of,
)
from glassconv.kernels.weight_gradients.gemm_parts.parameters import (
    GradientParameters,
    SumParameters,
)
from glassconv.kernels.weight_gradients.gemm_parts.sums import sum_tasks_of
from glassconv.kernels.weight_gradients.gemm_parts.task import emit_task_nchw
from glassconv.kernels.weight_gradients.gemm_parts.task_nhwc import emit_task_nhwc
from glassconv.kernels.weight_gradients.gemm_parts.work import phases_of
from glassconv.kernels.weight_gradients.parts_plan import PartsPlan, Round, compile_sums
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.verdict import Verdict

MAX_TAPS = 512


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether the weight's gradient of a problem is computed in this memory layout."""
    common = supports_common(problem)
    if not common:
        return common
    if not problem.batch:
        return Verdict(False, "an empty batch has nothing to sum")
    if prod(problem.kernel_size) > MAX_TAPS:
        return Verdict(False, f"kernel size must not exceed {MAX_TAPS} taps")
    return Verdict(True, "blocked im2col and register-tiled GEMM over the pixels")


def plan(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> PartsPlan:
    """Plan the weight's gradient of a supported problem, for contiguous arrays in this layout."""
    return plan_of(problem, layout, target, blocking(problem, layout, target))


def plan_of(
    problem: ConvProblem, layout: Layout, target: Target, blocks: GradientBlocking
) -> PartsPlan:
    """Plan the weight's gradient with these blocks."""
    sum_tasks = sum_tasks_of(problem.gemm.m, problem.dtype, target)
    first = _parameters(problem, layout, target, blocks, with_bias=False)
    return PartsPlan(
        problem,
        layout,
        _compile(problem.dtype, layout.name, target),
        compile_sums(problem.dtype, target),
        {
            each: tuple(_rounds(problem, layout, target, blocks, with_bias=each))
            for each in (False, True)
        },
        problem.groups * sum_tasks,
        max_threads=max_threads(problem, tasks_of(problem, layout, blocks)),
        sums_elements=blocks.parts_at_once * first.part_stride,
        workspace_bytes=blocks.workspace_bytes,
        loops=_loops(problem, layout, blocks),
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """Return the bound of the gradient, as of the convolution that equals it."""
    return bounds.plain_sums(problem)


def _rounds(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    blocks: GradientBlocking,
    *,
    with_bias: bool,
) -> Iterator[Round]:
    """Yield the rounds in the order in which their parts are added."""
    parameters = _parameters(problem, layout, target, blocks, with_bias)
    tasks_per_part = tasks_of(problem, layout, blocks) // blocks.parts
    for first in range(0, blocks.parts, blocks.parts_at_once):
        parts = min(blocks.parts - first, blocks.parts_at_once)
        sum_parameters = SumParameters(
            parts=parts,
            part_stride=parameters.part_stride,
            group_stride=parameters.group_stride,
            sums_stride=parameters.sums_stride,
            filters=problem.gemm.m,
            tasks_per_group=sum_tasks_of(problem.gemm.m, problem.dtype, target),
            rows=problem.gemm.k,
            with_bias=int(with_bias),
            is_first=int(first == 0),
        )
        yield Round(
            pack(replace(parameters, first_part=first)),
            pack(sum_parameters),
            parts * tasks_per_part,
        )


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    blocks = blocking(problem, layout, target)
    tasks = tasks_of(problem, layout, blocks)
    phases = phases_of(problem, layout, target, blocks)
    return Work(phases, tasks, min(threads, max_threads(problem, tasks)), launches=2)


def _parameters(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    blocks: GradientBlocking,
    with_bias: bool,
) -> GradientParameters[int]:
    rows, columns = problem.as_2d().axes
    stride_n, stride_c, stride_h, stride_w = layout.strides
    channels, taps, filters = problem.weight_shape[1], prod(problem.kernel_size), problem.gemm.m
    pixels, steps = prod(problem.output_size), blocks.images_per_block * blocks.pixel_block
    width = target.tile()[1] * target.lanes(problem.dtype)
    packed = ceil(blocks.filter_block / width) * width * steps
    blocks_per_image = ceil(pixels / blocks.pixel_block)
    segments = segments_of(problem, layout)
    columns_of_sums = filters if layout.name == NCHW else round_up(filters, width)
    # An odd number of lines: rows at a power of two would be in the same few sets of a cache.
    line = CACHE_LINE // problem.format.bytes
    sums_stride = (ceil(columns_of_sums / line) | 1) * line
    group_stride = (problem.gemm.k + 1) * sums_stride
    return GradientParameters(
        channels=channels,
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
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        input_stride_w=stride_w,
        taps_per_segment=segments.taps,
        buffer_stride=blocks.buffer_stride,
        groups=problem.groups,
        filters=filters,
        rows=problem.gemm.k,
        taps=taps,
        batch=problem.batch,
        pixels=pixels,
        input_stride_n=stride_n,
        grad_stride_n=problem.out_channels * pixels,
        grad_stride_c=pixels,
        grad_stride_w=problem.out_channels,
        segments=segments.count,
        segment_length=segments.length,
        channel_block=blocks.channel_block,
        channel_blocks=ceil(segments.count / blocks.channel_block),
        filter_block=blocks.filter_block,
        filter_blocks=ceil(filters / blocks.filter_block),
        pixel_block=blocks.pixel_block,
        images_per_block=blocks.images_per_block,
        blocks_per_image=blocks_per_image,
        blocks=ceil(problem.batch / blocks.images_per_block) * blocks_per_image,
        blocks_per_part=blocks.blocks_per_part,
        first_part=0,
        sums_stride=sums_stride,
        part_stride=problem.groups * group_stride,
        group_stride=group_stride,
        needs_lowering=int(blocks.buffer_stride > 0),
        with_bias=int(with_bias),
        panel_elements=steps * width,
        padded_filters=round_up(blocks.filter_block, width),
        ones=packed,
        buffer=packed + steps,
        workspace_bytes=blocks.workspace_bytes,
    )


# -- as text ----------------------------------------------------------------------------------


def _loops(problem: ConvProblem, layout: Layout, blocks: GradientBlocking) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    segments, pixels = segments_of(problem, layout), prod(problem.output_size)
    rows = blocks.channel_block * segments.length
    unit = "channels" if layout.name == NCHW or segments.length == 1 else "segments of taps"
    copy = "pack" if layout.name == NCHW else "copy"
    steps = blocks.images_per_block * blocks.pixel_block
    images = problem.batch * pixels
    lowering = "im2col into the buffer" if blocks.buffer_stride else "read the input in place"
    return describe_loop_nest(
        f"for {describe_blocks(images, blocks.blocks_per_part * steps, 'pixels')} (parts)",
        f"for {describe_blocks(segments.count, blocks.channel_block, unit)}, "
        f"{describe_blocks(problem.gemm.m, blocks.filter_block, 'filters')}: a task",
        f"for {at_a_time(blocks.blocks_per_part * steps, 'pixels', steps)}",
        [
            f"{lowering}: {rows:,} × {steps:,} pixels",
            f"{copy} the output's gradient: {steps:,} pixels × {blocks.filter_block:,} filters",
            f"add the product of {rows:,} × {steps:,} and {steps:,} × {blocks.filter_block:,}",
        ],
    )


# -- in machine code --------------------------------------------------------------------------


@cache
def _compile(dtype: str, layout: str, target: Target) -> Compiled:
    module = Module("weight_gradient", dtype, target)
    emit_task = emit_task_nchw if layout == NCHW else emit_task_nhwc
    in_parallel(module, emit_task(module))
    return compiled(module, "weight_gradient")
