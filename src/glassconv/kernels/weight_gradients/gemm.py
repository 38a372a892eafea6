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

from dataclasses import dataclass
from functools import cache, cached_property
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads as available_threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack, words_of
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.gemm_parts.blocks import block_size
from glassconv.kernels.gemm_parts.parameters import is_im2col_matrix, segments_of, to_2d
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import Blocking, round_up
from glassconv.kernels.runtime.cost_model import Work
from glassconv.kernels.runtime.loop_text import at_a_time, describe_blocks, describe_loop_nest
from glassconv.kernels.runtime.plan import workspace
from glassconv.kernels.runtime.support import supports_common
from glassconv.kernels.weight_gradients import bounds
from glassconv.kernels.weight_gradients.gemm_parts.parameters import (
    GradientParameters,
    SumParameters,
)
from glassconv.kernels.weight_gradients.gemm_parts.sums import emit_task_sums
from glassconv.kernels.weight_gradients.gemm_parts.task import emit_task_nchw
from glassconv.kernels.weight_gradients.gemm_parts.task_nhwc import emit_task_nhwc
from glassconv.kernels.weight_gradients.gemm_parts.work import phases_of
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.verdict import Verdict

PIXELS_AT_ONCE = 256  # a panel of so many output gradients fills half of a 32 KiB L1 in float32
ROWS_AT_ONCE = 288  # rows of a task, at least those of one channel
FILTERS_AT_ONCE = 128
MAX_TAPS = 512
TASKS = 16  # into which a problem is divided, by parts of its pixels where it has fewer blocks
MIN_MACS_PER_TASK = 500_000
ALIASING = 4096  # bytes; rows at a multiple of this distance are in the same sets of L1


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


@dataclass(frozen=True)
class GradientBlocking(Blocking):
    """The blocks of a problem."""

    channel_block: int  # channels of a task; in channels last taps, or all taps of a kernel row
    filter_block: int  # filters of a task
    pixel_block: int  # pixels of an image in a block
    images_per_block: int
    parts: int  # into which all blocks are divided
    blocks_per_part: int
    buffer_stride: int  # elements from one row of the lowered input to the next; 0: not lowered
    workspace_bytes: int  # per thread


@dataclass(frozen=True)
class GemmGradientPlan(GradientPlan):
    """The two kernels with their parameters for one problem. Call it with the arrays."""

    problem: ConvProblem
    layout: Layout
    blocking: GradientBlocking
    kernel: Compiled
    add_parts: Compiled
    parameters: dict[bool, Any]  # packed, by whether the bias's gradient is computed
    sum_parameters: dict[bool, Any]
    tasks: int
    sum_tasks: int
    max_threads: int
    sums_elements: int
    loops: tuple[str, ...]  # a description of the loop nest, one line per loop

    def compute(self, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the gradients of weight and, unless it is None, of the bias to these arrays."""
        num_threads, with_bias = min(available_threads(), self.max_threads), bias is not None
        sums_bytes = round_up(self.sums_elements * self.problem.format.bytes, CACHE_LINE)
        memory = workspace(sums_bytes + num_threads * self.blocking.workspace_bytes)
        arrays = words_of(
            input.data_ptr(),
            grad.data_ptr(),
            self.zeros.data_ptr(),
            memory,
            memory + sums_bytes,
        )
        self.kernel.call(self.parameters[with_bias], arrays, self.tasks, num_threads)
        address = weight.data_ptr()
        arrays = words_of(memory, address, address if bias is None else bias.data_ptr())
        self.add_parts.call(self.sum_parameters[with_bias], arrays, self.sum_tasks, num_threads)

    def empty_weight(self, input: Tensor) -> Tensor:
        """Return memory for the weight's gradient, which has channels last if the input has."""
        if self.layout.name == NCHW:
            return super().empty_weight(input)
        filters, channels, *kernel_size = self.problem.weight_shape
        return input.new_empty(filters, *kernel_size, channels).movedim(-1, 1)

    @cached_property
    def zeros(self) -> Tensor:
        """Return zeros, [out_channels / groups], which sums start from."""
        return torch.zeros(self.problem.gemm.m, dtype=getattr(torch, self.problem.dtype))


def plan(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> GemmGradientPlan:
    """Plan the weight's gradient of a supported problem, for contiguous arrays in this layout."""
    blocks = blocking(problem, layout, target)
    tasks, rows = _tasks(problem, layout, blocks), problem.gemm.k
    with_bias = (False, True)
    parameters = {each: _parameters(problem, layout, target, blocks, each) for each in with_bias}
    filter_vectors = ceil(problem.gemm.m / target.lanes(problem.dtype))
    sum_parameters = {
        each: SumParameters(
            parts=blocks.parts,
            part_stride=parameters[each].part_stride,
            group_stride=parameters[each].group_stride,
            sums_stride=parameters[each].sums_stride,
            filters=problem.gemm.m,
            filter_vectors=filter_vectors,
            rows=rows,
            with_bias=int(each),
        )
        for each in with_bias
    }
    return GemmGradientPlan(
        problem,
        layout,
        blocks,
        _compile(problem.dtype, layout.name, target),
        compile_sums(problem.dtype, target),
        {each: pack(parameters[each]) for each in with_bias},
        {each: pack(sum_parameters[each]) for each in with_bias},
        tasks,
        problem.groups * filter_vectors,
        max_threads=_max_threads(problem, tasks),
        sums_elements=blocks.parts * parameters[False].part_stride,
        loops=_loops(problem, layout, blocks),
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """Return the bound of the gradient, as of the convolution that equals it."""
    return bounds.plain_sums(problem)


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    blocks = blocking(problem, layout, target)
    tasks = _tasks(problem, layout, blocks)
    phases = phases_of(problem, layout, target, blocks)
    return Work(phases, tasks, min(threads, _max_threads(problem, tasks)), launches=2)


def blocking(problem: ConvProblem, layout: Layout, target: Target) -> GradientBlocking:
    """Return the blocks of a problem, which do not depend on the number of threads."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    width, filters = target.tile()[1] * lanes, problem.gemm.m
    segments = segments_of(problem, layout)
    rows_at_once = max(ROWS_AT_ONCE, segments.length)
    channel_block = ceil(segments.count / ceil(problem.gemm.k / rows_at_once))
    rows = channel_block * segments.length
    pixels, most = prod(problem.output_size), PIXELS_AT_ONCE * 4 // element
    if rows > ROWS_AT_ONCE:
        most = max(most * ROWS_AT_ONCE // rows, lanes)
    pixel_block = block_size(pixels, lanes, ceil(pixels / most)) if pixels > most else pixels
    images = min(problem.batch, max(1, most // pixels))
    filter_block = block_size(filters, width, ceil(filters / FILTERS_AT_ONCE))
    blocks = ceil(problem.batch / images) * ceil(pixels / pixel_block)
    units = problem.groups * ceil(segments.count / channel_block) * ceil(filters / filter_block)
    parts = max(1, min(ceil(TASKS / units), blocks, problem.macs // units // MIN_MACS_PER_TASK))
    blocks_per_part = ceil(blocks / parts)
    steps, lowered = images * pixel_block, 0
    buffer_stride = 0
    if images > 1 or not _is_read_in_place(problem, layout, element):
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
        parts=ceil(blocks / blocks_per_part),
        blocks_per_part=blocks_per_part,
        buffer_stride=buffer_stride,
        workspace_bytes=round_up((panels + steps + lowered) * element, CACHE_LINE),
    )


def _is_read_in_place(problem: ConvProblem, layout: Layout, element: int) -> bool:
    """Return whether the input already is the matrix: of a 1 × 1 kernel that reads every pixel."""
    if not is_im2col_matrix(to_2d(problem, layout)):
        return False
    return layout.name != NCHW or layout.strides[1] * element % ALIASING > 0


def _tasks(problem: ConvProblem, layout: Layout, blocks: GradientBlocking) -> int:
    channel_blocks = ceil(segments_of(problem, layout).count / blocks.channel_block)
    filter_blocks = ceil(problem.gemm.m / blocks.filter_block)
    return blocks.parts * problem.groups * channel_blocks * filter_blocks


def _max_threads(problem: ConvProblem, tasks: int) -> int:
    return max(1, min(tasks, problem.macs // MIN_MACS_PER_TASK))


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
    sums_stride = filters if layout.name == NCHW else round_up(filters, width)
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


@cache
def compile_sums(dtype: str, target: Target) -> Compiled:
    """Return the kernel that adds parts."""
    module = Module("add_parts", dtype, target)
    in_parallel(module, emit_task_sums(module))
    return compiled(module, "add_parts")
