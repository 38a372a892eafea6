"""depthwise, compiled: shifted planes scaled and added in tiles of neighbouring outputs.

    NCHW   lanes are pixels of a row, a tile is some rows high (depthwise_parts/nchw.py)
    NHWC   lanes are channels, a tile is some pixels of a row (depthwise_parts/nhwc.py)

Read depthwise_parts/register_tile.py first. Weights are read at each call, so that none can be out
of date.
"""

from __future__ import annotations

from functools import cache
from math import ceil

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts import nchw, nhwc
from glassconv.kernels.depthwise_parts.blocking import DepthwiseBlocking
from glassconv.kernels.depthwise_parts.nhwc import Channels, channels_of
from glassconv.kernels.depthwise_parts.register_tile import LOOPED, Steps, steps_of
from glassconv.kernels.runtime.blocking import tasks_wanted
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

SMALLEST_TASK = 100_000  # multiply-adds


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Accept one input channel per group, in one or two dimensions, of float32 or float64."""
    channels = problem.weight_shape[1]
    if channels != 1:
        return Verdict(False, f"needs one input channel per group, got {channels}")
    common = supports_common(problem)
    if not common:
        return common
    return Verdict(True, "shifts, scales and adds planes in tiles of neighbouring outputs")


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the predicted time: by rates measured on two AVX2 cores, in float32."""
    width = ELEMENT_BYTES[problem.dtype] / ELEMENT_BYTES["float32"]
    moved = problem.input_bytes + problem.output_bytes
    return 3e-5 + width * problem.macs / 48e9 + moved / 45e9


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a problem that `supports` accepts, for inputs in this memory layout."""
    part = nchw if layout.name == NCHW else nhwc
    images = problem.as_2d()
    cut = blocking(problem, layout, target, threads)
    parameters, table = part.parameters_of(images, layout, target, cut)
    tasks = ceil(parameters.units / cut.task_units)
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, *kind_of(images, layout, target), target, epilogue),
        cut,
        pack(parameters, table),
        tasks,
        cut.workspace_bytes,
        most_threads=max(1, min(tasks, tasks_wanted(problem, threads, SMALLEST_TASK))),
        pack=None,
        loops=part.loops(images, parameters.units, cut, target.lanes(problem.dtype)),
    )


def blocking(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> DepthwiseBlocking:
    """Return the blocks of a problem."""
    of_layout = nchw.blocking if layout.name == NCHW else nhwc.blocking
    tasks = tasks_wanted(problem, threads, SMALLEST_TASK)
    return of_layout(problem.as_2d(), layout, target, tasks)


def kind_of(problem: ConvProblem, layout: Layout, target: Target) -> tuple[Steps, Channels | None]:
    """Return what the kernel of a problem of two axes is compiled for; NCHW has no channels."""
    rows, columns = problem.axes
    if layout.name == NCHW:
        return steps_of(rows), None
    channels = channels_of(problem, target.lanes(problem.dtype))
    return steps_of(columns) if channels.plain else LOOPED, channels


@cache
def _kernel(
    dtype: str, steps: Steps, channels: Channels | None, target: Target, epilogue: Epilogue
) -> Compiled:
    return compiled(module_of(dtype, steps, channels, target, epilogue), "depthwise")


def module_of(
    dtype: str,
    steps: Steps,
    channels: Channels | None,
    target: Target,
    epilogue: Epilogue = NOTHING,
) -> Module:
    """Return the kernel's module, not yet compiled."""
    module = Module("depthwise", dtype, target)
    if channels is None:
        task = nchw.task_function(module, steps, epilogue)
    else:
        task = nhwc.task_function(module, steps, channels, epilogue)
    in_parallel(module, task)
    return module
