"""implicit_gemm, compiled: windows are lowered a block at a time, and register tiles multiply them.

    NCHW   output[filter, pixel] = weight[filter, k] · lowered[k, pixel]    weights as they are
    NHWC   output[pixel, filter] = lowered[pixel, k] · packed[k, filter]    weights packed once

A task is a block of pixels and a block of filters of one image and group. For each block of k it
lowers the windows of its pixels into a buffer that fits L2, and adds a product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, prod

import torch
from torch import Tensor

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.gemm_parts.parameters import GemmParameters, pieces_of, plane_of
from glassconv.kernels.gemm_parts.task import task_nchw, task_nhwc
from glassconv.kernels.microkernel.epilogue import epilogue_function
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.microkernel.register_tile import main_height
from glassconv.kernels.runtime.blocking import Blocking, round_up, tasks_wanted
from glassconv.kernels.runtime.loop_text import at_a_time, blocks, describe_loop_nest, images
from glassconv.kernels.runtime.packed_weights import Pack
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

LONGEST_K = 256  # of a block: a panel of B as long, 16 floats wide, half fills a first cache
MOST_TAPS = 4096  # a block of k holds all taps of a channel
SMALLEST_TASK = 500_000  # multiply-adds
FEW_FILTERS = 16
FEWEST_PANELS = 4  # of pixels in a task, where there are as many


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Accept plain sums in one or two dimensions, of float32 or float64."""
    common = supports_common(problem)
    if not common:
        return common
    if prod(problem.kernel_size) > MOST_TAPS:
        return Verdict(False, f"the kernel lowers up to {MOST_TAPS} taps at a time")
    return Verdict(True, "lowers block by block and multiplies in register tiles")


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the predicted time: by rates measured on two AVX2 cores, in float32."""
    nchw = layout == NCHW
    width = ELEMENT_BYTES[problem.dtype] / ELEMENT_BYTES["float32"]
    moved = problem.input_bytes + problem.output_bytes
    lowered = problem.macs / max(problem.gemm.m, 1)
    return (
        3e-5
        + width * problem.macs / (62e9 if nchw else 71e9)
        + width * lowered / (5e9 if nchw else 10e9)
        + moved / (46e9 if nchw else 31e9)
        + problem.weight_bytes / 8.5e9
    )


@dataclass(frozen=True)
class GemmBlocking(Blocking):
    """The blocks of a problem in the kernel's loops, from the outermost in."""

    filter_block: int  # filters of a task
    pixel_block: int  # pixels of a task
    k_block: int  # products of each output that are lowered together, then multiplied
    filters_in_l2: int  # filters whose packed weights for a block of k fit half of L2 (NHWC)
    buffer_stride: int  # elements from one row of the buffer to the next
    workspace_bytes: int  # of each thread: the buffer


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a problem that `supports` accepts, for inputs in this memory layout."""
    cut = blocking(problem, layout, target, threads)
    parameters = _parameters(problem, layout, cut)
    images = problem.batch * problem.groups
    tasks = images * parameters.pixel_blocks * parameters.filter_blocks
    packing = _packing(problem.groups, _panel_width(problem, target))
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, layout.name, target, epilogue),
        cut,
        pack(parameters),
        tasks,
        cut.workspace_bytes,
        most_threads=max(1, min(tasks, problem.macs // SMALLEST_TASK)),
        pack=None if layout.name == NCHW else packing,
        loops=_loops(problem, layout, target, cut),
        hot=_hottest(problem, layout, target, cut),
    )


def blocking(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> GemmBlocking:
    """Return the blocks of a problem."""
    pieces = pieces_of(problem, layout)
    rows = target.tile()[0]
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    width = _panel_width(problem, target)
    filters, pixels = problem.gemm.m, prod(problem.output_size)
    # With few filters the buffer is read few times: it must be in L1. With many it may be in L2.
    fits_l1 = filters <= FEW_FILTERS
    budget = (target.l1 if fits_l1 else target.l2 // 2) // element  # elements of a buffer
    wanted = tasks_wanted(problem, threads, SMALLEST_TASK)
    images = problem.batch * problem.groups
    per_image = ceil(wanted / max(images, 1))
    k_block = pieces.length * min(pieces.count, max(1, LONGEST_K // pieces.length))
    if layout.name == NCHW:
        pixel_block = _equal_blocks(pixels, budget // k_block, width, per_image)
        # An odd number of panels: rows are then spread over the sets of a cache.
        buffer_stride = pixel_block + width * (pixel_block // width % 2 == 0)
        buffer = k_block * buffer_stride
    else:
        buffer_stride = k_block + lanes
        pixel_block = _equal_blocks(pixels, budget // buffer_stride, rows, per_image)
        buffer = pixel_block * buffer_stride
    # Each block of filters lowers the same pixels again: there are only as many as threads need.
    tasks = images * ceil(pixels / pixel_block)
    filter_blocks = ceil(min(wanted, 2 * threads) / max(tasks, 1))
    filter_block = _filter_block(filters, filter_blocks, width)
    return GemmBlocking(
        filter_block=filter_block,
        pixel_block=pixel_block,
        k_block=k_block,
        # Packed weights that a block of pixels reads again and again stay in L2.
        filters_in_l2=_equal_blocks(filter_block, target.l2 // 2 // element // k_block, width, 1),
        buffer_stride=buffer_stride,
        workspace_bytes=round_up((buffer + width) * element, CACHE_LINE),
    )


def _equal_blocks(pixels: int, most: int, width: int, tasks: int) -> int:
    """Return the size of equal blocks of at most so many pixels, a multiple of the tile's width."""
    most = max(most // width, 1)
    panels = ceil(pixels / width)
    blocks = max(ceil(panels / most), min(tasks, panels // FEWEST_PANELS))
    return ceil(panels / blocks) * width


def _filter_block(filters: int, blocks: int, width: int) -> int:
    """Return how many filters a task computes: all, unless pixels alone make too few tasks."""
    panels = ceil(filters / width)
    return ceil(panels / min(blocks, panels)) * width


def _panel_width(problem: ConvProblem, target: Target) -> int:
    return target.tile()[1] * target.lanes(problem.dtype)


def _parameters(problem: ConvProblem, layout: Layout, cut: GemmBlocking) -> GemmParameters[int]:
    plane, pieces = plane_of(problem, layout), pieces_of(problem, layout)
    rows, columns = plane.axes
    stride_n, stride_c, stride_h, stride_w = layout.strides
    pixels, filters = prod(problem.output_size), problem.gemm.m
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
        output_stride_n=problem.out_channels * pixels,
        output_stride_c=pixels,
        output_stride_w=problem.out_channels,
        filters=filters,
        groups=problem.groups,
        pixels=pixels,
        k=problem.gemm.k,
        pixel_block=cut.pixel_block,
        pixel_blocks=ceil(pixels / cut.pixel_block),
        filter_block=cut.filter_block,
        filter_blocks=ceil(filters / cut.filter_block),
        filters_in_l2=cut.filters_in_l2,
        pieces=pieces.count,
        piece_taps=pieces.taps,
        piece_length=pieces.length,
        piece_block=cut.k_block // pieces.length,
        is_lowered=int(pieces.is_lowered),
        buffer_stride=cut.buffer_stride,
        workspace_bytes=cut.workspace_bytes,
    )


# -- in words ---------------------------------------------------------------------------------


def _hottest(problem: ConvProblem, layout: Layout, target: Target, cut: GemmBlocking) -> str:
    """Return the name of the function that computes most of the product."""
    lanes = target.lanes(problem.dtype)
    pixels = min(cut.pixel_block, prod(problem.output_size))
    filters = min(cut.filter_block, problem.gemm.m)
    tall, wide = (filters, pixels) if layout.name == NCHW else (pixels, filters)
    rows, vectors = target.tile()
    rows, parts = main_height(tall, rows), ceil(wide / lanes)
    return f"tiles_{rows}x{vectors}" if wide >= vectors * lanes else f"end_{rows}x{parts}"


def _loops(
    problem: ConvProblem, layout: Layout, target: Target, cut: GemmBlocking
) -> tuple[str, ...]:
    """Return what the kernel does with these blocks, a line for each loop."""
    rows, vectors = target.tile()
    pixels = min(cut.pixel_block, prod(problem.output_size))
    filters = min(cut.filter_block, problem.gemm.m)
    tall, wide = (filters, "filters"), (pixels, "pixels")
    within = []
    if layout.name != NCHW:
        tall, wide = wide, tall
        if filters > cut.filters_in_l2:
            within.append(f"for {at_a_time(*wide, cut.filters_in_l2)}")
            wide = (cut.filters_in_l2, "filters")
    rows = main_height(tall[0], rows)
    within.append(f"for {at_a_time(*tall, rows)}")
    lowering = f"lower windows: a buffer of {cut.k_block:,} products × {pixels:,} pixels"
    is_lowered = pieces_of(problem, layout).is_lowered
    return describe_loop_nest(
        f"for {images(problem.batch, problem.groups)}, "
        f"{blocks(problem.gemm.m, cut.filter_block, 'filters')}",
        f"for {blocks(prod(problem.output_size), cut.pixel_block, 'pixels')}: a task",
        f"for {at_a_time(problem.gemm.k, 'products of each output', cut.k_block)}",
        *([[lowering, within[0]], *within[1:]] if is_lowered else within),
        f"for {at_a_time(*wide, _panel_width(problem, target))}",
        f"for {cut.k_block:,} steps: the register tile, {rows} × {vectors} vectors",
    )


# -- in machine code --------------------------------------------------------------------------


@cache
def _packing(groups: int, width: int) -> Pack:
    """Return the packing [groups, panel, k = (u, v, c), filter of the panel]."""

    def pack(weight: Tensor) -> Tensor:
        taps_first = weight.movedim(1, -1).reshape(groups, weight.shape[0] // groups, -1)
        whole = torch.nn.functional.pad(taps_first, (0, 0, 0, -taps_first.shape[1] % width))
        panels = whole.reshape(groups, -1, width, whole.shape[2])
        return panels.transpose(2, 3).contiguous()

    return pack


@cache
def _kernel(dtype: str, layout: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("implicit_gemm", dtype, target)
    fused = epilogue_function(module, epilogue)
    in_parallel(module, (task_nchw if layout == NCHW else task_nhwc)(module, fused))
    return compiled(module, "implicit_gemm")
