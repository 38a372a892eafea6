"""Compiled depthwise convolution: each tile accumulates shifted inputs, times their weights.

    NCHW   lanes are adjacent columns, a tile covers several rows (depthwise_parts/nchw.py);
           small planes are transposed (depthwise_parts/small_planes.py)
    NHWC   lanes are filters, a tile covers several columns (depthwise_parts/nhwc.py)

Read depthwise_parts/register_tile.py first. Weights are not cached between calls, so a change of a
weight takes effect at the next call.
"""

from __future__ import annotations

from functools import cache
from math import ceil
from types import ModuleType

from glassconv.algorithms import depthwise
from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import Target
from glassconv.kernels.depthwise_parts import (
    nchw,
    nchw_task,
    nhwc,
    nhwc_task,
    small_planes,
    small_planes_task,
)
from glassconv.kernels.depthwise_parts.blocking import DepthwiseBlocking, PlaneLanes
from glassconv.kernels.depthwise_parts.nhwc import InputAccess, input_access_of, tap_pattern_in
from glassconv.kernels.depthwise_parts.register_tile import TapPattern, tap_pattern_of
from glassconv.kernels.depthwise_parts.work import (
    phases_nchw,
    phases_nhwc,
    phases_small_planes,
)
from glassconv.kernels.runtime.blocking import tasks_wanted
from glassconv.kernels.runtime.cost_model import Work
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

MIN_MACS_PER_TASK = 100_000


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether groups have few input channels, in 1D or 2D, in float32 or float64."""
    few = depthwise.supports(problem)
    if not few:
        return few
    common = supports_common(problem)
    if not common:
        return common
    return Verdict(True, "register-tiled depthwise convolution")


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a supported problem, for inputs in the given memory layout."""
    specialization = specialization_of(problem.as_2d(), layout, target)
    kernel = _compile(problem.dtype, *specialization, target, epilogue)
    return plan_of(kernel, problem, layout, target, threads)


def plan_of(
    kernel: Compiled, problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> Plan:
    """Plan a supported problem for a kernel that is compiled for it."""
    problem_2d = problem.as_2d()
    implementation = _implementation(problem_2d, layout, target)
    blocks = blocking(problem, layout, target, threads)
    parameters, table = implementation.parameters_of(problem_2d, layout, target, blocks)
    tasks = ceil(parameters.units / blocks.units_per_task)
    return Plan(
        problem,
        layout,
        kernel,
        blocks,
        pack(parameters, table),
        tasks,
        blocks.workspace_bytes,
        max_threads=max(1, min(tasks, tasks_wanted(problem, threads, MIN_MACS_PER_TASK))),
        pack=None,
        loops=implementation.describe_loops(
            problem_2d, parameters.units, blocks, target.lanes(problem.dtype)
        ),
    )


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    problem_2d = problem.as_2d()
    blocks = blocking(problem, layout, target, threads)
    pattern, access = specialization_of(problem_2d, layout, target)
    if access is PlaneLanes.CHANNELS:
        planes, _ = small_planes.parameters_of(problem_2d, layout, target, blocks)
        units, phases = planes.units, phases_small_planes(problem_2d, target, planes, pattern)
    elif access is PlaneLanes.COLUMNS:
        rows, _ = nchw.parameters_of(problem_2d, layout, target, blocks)
        units, phases = rows.units, phases_nchw(problem_2d, target, rows, pattern)
    else:
        columns, _ = nhwc.parameters_of(problem_2d, layout, target, blocks)
        units, phases = columns.units, phases_nhwc(problem_2d, target, columns, pattern, access)
    tasks = ceil(units / blocks.units_per_task)
    wanted = tasks_wanted(problem, threads, MIN_MACS_PER_TASK)
    return Work(phases, tasks, min(threads, tasks, wanted))


def blocking(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> DepthwiseBlocking:
    """Return the blocks of a problem."""
    problem_2d = problem.as_2d()
    tasks = tasks_wanted(problem, threads, MIN_MACS_PER_TASK)
    implementation = _implementation(problem_2d, layout, target)
    blocks: DepthwiseBlocking = implementation.blocking(problem_2d, layout, target, tasks)
    return blocks


def _implementation(problem: ConvProblem, layout: Layout, target: Target) -> ModuleType:
    """Return the module with the blocks and parameters of a 2D problem."""
    if layout.name != NCHW:
        return nhwc
    return small_planes if small_planes.is_small(problem, layout, target) else nchw


def specialization_of(
    problem: ConvProblem, layout: Layout, target: Target
) -> tuple[TapPattern, InputAccess | PlaneLanes]:
    """Return what the kernel of a 2D problem is compiled for: InputAccess in NHWC."""
    if layout.name != NCHW:
        return tap_pattern_in(problem), input_access_of(problem, target.lanes(problem.dtype))
    if small_planes.is_small(problem, layout, target):
        return tap_pattern_of(problem.axes[1]), PlaneLanes.CHANNELS
    return tap_pattern_of(problem.axes[0]), PlaneLanes.COLUMNS


@cache
def _compile(
    dtype: str,
    pattern: TapPattern,
    access: InputAccess | PlaneLanes,
    target: Target,
    epilogue: Epilogue,
) -> Compiled:
    return compiled(build_module(dtype, pattern, access, target, epilogue), "depthwise")


def build_module(
    dtype: str,
    pattern: TapPattern,
    access: InputAccess | PlaneLanes,
    target: Target,
    epilogue: Epilogue = NOTHING,
) -> Module:
    """Return the kernel's LLVM module, not yet compiled."""
    module = Module("depthwise", dtype, target)
    if access is PlaneLanes.CHANNELS:
        task = small_planes_task.emit_task(module, pattern, epilogue)
    elif access is PlaneLanes.COLUMNS:
        task = nchw_task.emit_task(module, pattern, epilogue)
    else:
        task = nhwc_task.emit_task(module, pattern, access, epilogue)
    in_parallel(module, task)
    return module
