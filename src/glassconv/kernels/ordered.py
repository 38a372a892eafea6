"""Compiled sums in the published order: the same bits for every thread, layout, batch, processor.

    output = bias + Σ_blocks (a chain of fused multiply-adds over the block's products, from +0)

The order is that of algorithms/ordered.py. The register tile of implicit GEMM has it if a block of
k is a block of the order, and if k counts (kernel row, kernel column, channel) in both layouts
(ordered_parts/products.py). Depthwise convolutions take their taps row by row, 1 × 1 inputs their
channels one after another. Vector lanes are outputs, never products of one, and no thread shares a
sum, so neither threads nor blocks nor the number of lanes can change a bit.

What the order skips, products with padding, the kernels multiply by zero. That changes nothing:
docs/reproducible.md has the argument. A weight that is not finite is the exception; the definition
is compiled for it (ordered_parts/definition.py), and for three spatial axes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from math import prod

from torch import Tensor

from glassconv.algorithms.ordered import BLOCK
from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels import depthwise, implicit_gemm, pointwise
from glassconv.kernels.depthwise_parts import nhwc_task
from glassconv.kernels.depthwise_parts.nhwc import InputAccess
from glassconv.kernels.depthwise_parts.register_tile import TapPattern, tap_pattern_of
from glassconv.kernels.gemm_parts.blocking import (
    GemmBlocking,
    blocking_of,
    max_threads,
    panel_width,
    tasks_of,
)
from glassconv.kernels.gemm_parts.panel_packing import PanelPacking
from glassconv.kernels.gemm_parts.parameters import is_by_rows
from glassconv.kernels.gemm_parts.rows import emit_task_by_rows
from glassconv.kernels.gemm_parts.task import emit_task_nhwc, emit_task_packing
from glassconv.kernels.microkernel.epilogue import emit_epilogue
from glassconv.kernels.ordered_parts import definition, filters_in_lanes
from glassconv.kernels.ordered_parts.pixel import emit_task_pixel
from glassconv.kernels.ordered_parts.products import emit_block_nhwc, emit_task_nchw
from glassconv.kernels.ordered_parts.weights import AsItIs, ChannelsLast, RefuseNotFinite
from glassconv.kernels.runtime.blocking import Blocking, tasks_wanted
from glassconv.kernels.runtime.cost_model import Loop, Phase, Stream, Work, copy_of
from glassconv.kernels.runtime.loop_text import (
    at_a_time,
    describe_batch,
    describe_blocks,
    describe_loop_nest,
)
from glassconv.kernels.runtime.packed_weights import Packing
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, NHWC, Layout
from glassconv.reports.verdict import Verdict

BY_ROWS, PACKING, DEPTHWISE, PIXEL = "by rows", "packing", "depthwise", "pixel"
DEFINITION = "definition"
STEPS_PER_PRODUCT = 6  # latency of a chain of scalars, in multiply-adds


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether the element type is float32 or float64."""
    if problem.dtype not in ELEMENT_BYTES:
        types = " or ".join(ELEMENT_BYTES)
        return Verdict(False, f"requires {types}, got {problem.dtype}")
    return Verdict(True, "sums in the published order")


@dataclass(frozen=True)
class OrderedPlan(Plan):
    """A plan whose sums begin with +0 + bias, which is never −0."""

    def compute(
        self, input: Tensor, packed: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output for a weight as the kernel reads it."""
        return super().compute(input, packed, None if bias is None else bias + 0.0, residual)


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a supported problem, for inputs in the given memory layout."""
    way = _way(problem, layout, target)
    if way == DEFINITION:
        return definition_plan(problem, layout, target, threads, epilogue)
    if way == DEPTHWISE:
        plan_depthwise = _planes_plan if layout.name == NCHW else _depthwise_plan
        return plan_depthwise(problem, layout, target, threads, epilogue)
    if way == PIXEL:
        kernel = _compile_pixel(problem.dtype, target, epilogue)
        return pointwise.plan_of(kernel, problem, layout, target, threads)
    blocks = blocking(problem, layout, target, threads)
    assert isinstance(blocks, GemmBlocking)
    tasks = tasks_of(problem, blocks)
    packing = _packing(problem, layout, target)
    return OrderedPlan(
        problem,
        layout,
        _compile(problem.dtype, way, target, epilogue),
        blocks,
        pack(implicit_gemm.parameters_of(problem, layout, blocks)),
        tasks,
        blocks.workspace_bytes,
        max_threads=max_threads(problem, tasks),
        pack=packing,
        loops=_loops(problem, layout, blocks),
        hot_function=implicit_gemm.hot_function_of(problem, layout, target, blocks),
        otherwise=None
        if packing is None
        else definition_plan(problem, layout, target, threads, epilogue),
    )


def definition_plan(
    problem: ConvProblem, layout: Layout, target: Target, threads: int, epilogue: Epilogue
) -> Plan:
    """Plan a problem by the compiled definition."""
    tasks = problem.batch * problem.out_channels
    return OrderedPlan(
        problem,
        layout,
        _compile(problem.dtype, DEFINITION, target, epilogue),
        Blocking(),
        pack(definition.parameters_of(problem, layout)),
        tasks,
        0,
        max_threads=max_threads(problem, tasks),
        pack=None,
        loops=("for each output: its products in order",),
    )


def _depthwise_plan(
    problem: ConvProblem, layout: Layout, target: Target, threads: int, epilogue: Epilogue
) -> Plan:
    """Plan a problem of one channel per group, with channels last."""
    pattern, access = depthwise.specialization_of(problem.as_2d(), layout, target)
    assert isinstance(access, InputAccess)
    kernel = _compile_depthwise(problem.dtype, pattern, access, target, epilogue)
    plan = depthwise.plan_of(kernel, problem, layout, target, threads)
    given = {field.name: getattr(plan, field.name) for field in fields(Plan)}
    if problem.is_padded and access.is_copied:
        given["pack"] = RefuseNotFinite(AsItIs(prod(problem.weight_shape)))
        given["otherwise"] = definition_plan(problem, layout, target, threads, epilogue)
    return OrderedPlan(**given)


def _planes_plan(
    problem: ConvProblem, layout: Layout, target: Target, threads: int, epilogue: Epilogue
) -> Plan:
    """Plan a problem of one channel per group, with channels first."""
    problem_2d = problem.as_2d()
    blocks = filters_in_lanes.blocking(problem_2d, target)
    tasks = filters_in_lanes.tasks_of(problem_2d, blocks)
    pattern = tap_pattern_of(problem_2d.axes[1])
    wanted = tasks_wanted(problem, threads, depthwise.MIN_MACS_PER_TASK)
    return OrderedPlan(
        problem,
        layout,
        _compile_planes(problem.dtype, pattern, target, epilogue),
        blocks,
        pack(filters_in_lanes.parameters_of(problem_2d, layout, blocks)),
        tasks,
        blocks.workspace_bytes,
        max_threads=max(1, min(tasks, wanted)),
        pack=None,
        loops=describe_loop_nest(
            f"for {describe_batch(problem.batch, 1)}, "
            f"{describe_blocks(problem.out_channels, blocks.unit_filters, 'filters')}",
            f"for {describe_blocks(problem_2d.output_size[0], blocks.unit_rows, 'rows')}: a task",
            ["transpose their windows", "for each output", "transpose the outputs"],
        ),
    )


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    if _way(problem, layout, target) == DEFINITION:
        tasks = problem.batch * problem.out_channels
        products = Loop(problem.macs, multiply_adds=STEPS_PER_PRODUCT, loads=2)
        arrays = Stream(problem.input_bytes + problem.weight_bytes + 2 * problem.output_bytes)
        team = min(threads, max_threads(problem, tasks))
        return Work((Phase((products,), (arrays,)),), tasks, team)
    if _way(problem, layout, target) == DEPTHWISE:
        return depthwise.work(problem, layout, target, threads)
    if _way(problem, layout, target) == PIXEL:
        return pointwise.work(problem, layout, target, threads)
    packing = _packing(problem, layout, target)
    work = implicit_gemm.work(problem, layout, target, threads)
    if packing is None:
        return replace(work, checked_bytes=0, packing=())
    size = problem.weight_bytes
    return replace(work, checked_bytes=size, packing=(copy_of(size),))


def blocking(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Blocking:
    """Return the blocks of a problem: a block of k is one of the published order."""
    way = _way(problem, layout, target)
    if way == DEFINITION:
        return Blocking()
    if way == DEPTHWISE and layout.name == NCHW:
        return filters_in_lanes.blocking(problem.as_2d(), target)
    if way == DEPTHWISE:
        return depthwise.blocking(problem, layout, target, threads)
    if way == PIXEL:
        return pointwise.blocking(problem, layout, target, threads)
    k_block = min(problem.gemm.k, BLOCK)
    return blocking_of(problem, layout, target, threads, k_block, way == BY_ROWS, way == PACKING)


def _way(problem: ConvProblem, layout: Layout, target: Target) -> str:
    """Return which of the kernel's tasks a problem takes."""
    if problem.ndim == 3:
        return DEFINITION
    if pointwise.supports(problem, layout.name):
        return PIXEL
    if problem.weight_shape[1] == 1 and problem.groups > 1 and problem.gemm.k <= BLOCK:
        return DEPTHWISE
    if layout.name == NCHW:
        return NCHW
    if prod(problem.kernel_size) == 1 and not problem.is_padded:
        return PACKING
    by_rows = problem.gemm.k <= BLOCK and is_by_rows(problem, layout, target)
    return BY_ROWS if by_rows else NHWC


def _packing(problem: ConvProblem, layout: Layout, target: Target) -> Packing | None:
    """Return the packing of a problem's weight; None where the kernel reads it as it is."""
    if prod(problem.kernel_size) == 1 and not problem.is_padded:
        return None
    packing: Packing = ChannelsLast(problem.weight_shape)
    if layout.name != NCHW:
        width = panel_width(problem.dtype, target)
        packing = PanelPacking(problem.weight_shape, problem.groups, width, problem.dtype, target)
    return RefuseNotFinite(packing) if problem.is_padded else packing


def _loops(problem: ConvProblem, layout: Layout, blocks: GemmBlocking) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    filters, pixels = problem.gemm.m, prod(problem.output_size)
    product = f"multiply {blocks.k_block:,} × {min(pixels, blocks.pixel_block):,} pixels"
    return describe_loop_nest(
        f"for {describe_batch(problem.batch, problem.groups)}, "
        f"{describe_blocks(filters, blocks.filter_block, 'filters')}",
        f"for {describe_blocks(pixels, blocks.pixel_block, 'pixels')}: a task",
        f"for {at_a_time(problem.gemm.k, 'multiply-adds of each output', BLOCK)}",
        ["im2col into the buffer", product] if blocks.buffer_stride else product,
    )


@cache
def _compile(dtype: str, way: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("ordered", dtype, target)
    if way == NCHW:
        task = emit_task_nchw(module, epilogue)
    elif way == NHWC:
        task = emit_task_nhwc(module, epilogue, emit_block_nhwc)
    elif way == PACKING:
        task = emit_task_packing(module, epilogue, emit_block_nhwc)
    elif way == BY_ROWS:
        task = emit_task_by_rows(module, epilogue)
    else:
        task = definition.emit_task_definition(module, emit_epilogue(module, epilogue))
    in_parallel(module, task)
    return compiled(module, "ordered")


@cache
def _compile_depthwise(
    dtype: str, pattern: TapPattern, access: InputAccess, target: Target, epilogue: Epilogue
) -> Compiled:
    module = Module("ordered", dtype, target)
    in_parallel(module, nhwc_task.emit_task(module, pattern, access, epilogue, bias_last=True))
    return compiled(module, "ordered")


@cache
def _compile_pixel(dtype: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("ordered", dtype, target)
    in_parallel(module, emit_task_pixel(module, epilogue))
    return compiled(module, "ordered")


@cache
def _compile_planes(
    dtype: str, pattern: TapPattern, target: Target, epilogue: Epilogue
) -> Compiled:
    module = Module("ordered", dtype, target)
    in_parallel(module, filters_in_lanes.emit_task(module, pattern, epilogue))
    return compiled(module, "ordered")
