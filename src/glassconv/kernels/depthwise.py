"""depthwise, compiled: shifted pictures scaled and added in tiles of neighbouring outputs.

    NCHW   lanes are pixels of a row, a tile is some rows high (depthwise_planes)
    NHWC   lanes are channels, a tile is some pixels of a row (depthwise_channels)

Read depthwise_tile first. Weights are read at each call, so that none can be out of date.
"""

from __future__ import annotations

from functools import cache
from math import ceil

import torch

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, threads
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.depthwise_parts import nchw, nhwc
from glassconv.kernels.depthwise_parts.nhwc import Channels, channels_of
from glassconv.kernels.depthwise_parts.register_tile import LOOPED, Steps, steps_of
from glassconv.kernels.runtime.parameters import words
from glassconv.kernels.runtime.plan import Plan, as_plane
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

TASKS = 4  # for each thread: a core that is taken away leaves its share to the others
SMALLEST_TASK = 100_000  # multiply-adds


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """One input channel per group, in one or two dimensions, of float32 or float64."""
    channels = problem.weight_shape[1]
    if channels != 1:
        return Verdict(False, f"needs one input channel per group, got {channels}")
    if problem.ndim == 3:
        return Verdict(False, "the kernel has one or two spatial axes, this has 3")
    if problem.dtype not in ELEMENT_BYTES:
        return Verdict(False, f"the kernel computes in float32 or float64, not {problem.dtype}")
    return Verdict(True, "shifts, scales and adds pictures in tiles of neighbouring outputs")


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the time it takes by the rates that were seen on two AVX2 cores, in float32."""
    width = ELEMENT_BYTES[problem.dtype] / ELEMENT_BYTES["float32"]
    moved = problem.input_bytes + problem.output_bytes
    return 3e-5 + width * problem.macs / 48e9 + moved / 45e9


def plan(
    problem: ConvProblem, layout: Layout, target: Target, epilogue: Epilogue = NOTHING
) -> Plan:
    """Choose the blocks of a problem that `supports` accepts, for pictures that lie so."""
    flat = as_plane(problem)
    part = nchw if layout.name == NCHW else nhwc
    size, positions = part.sizes(flat, layout, target)
    wanted = max(1, min(TASKS * threads(), problem.macs // SMALLEST_TASK))
    size["group"] = part.group(size, wanted)
    tasks = ceil(size["units"] / size["group"])
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, *kind_of(flat, layout, target), target, epilogue),
        words([*(size[name] for name in part.NAMES), *positions]),
        tasks,
        workspace_bytes=size["workspace"],
        most_threads=max(1, min(tasks, wanted)),
        pack=None,
        no_bias=torch.zeros(problem.out_channels, dtype=getattr(torch, problem.dtype)),
        loops=part.loops(flat, size, target.lanes(problem.dtype)),
    )


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
        task = nchw.task(module, steps, epilogue)
    else:
        task = nhwc.task(module, steps, channels, epilogue)
    in_parallel(module, task, "depthwise")
    return module
