"""winograd4, compiled: F(4 × 4, 3 × 3) as winograd_parts/kernel.py writes it."""

from __future__ import annotations

from glassconv.codegen.target import Target
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.winograd_parts import kernel
from glassconv.kernels.winograd_parts.parameters import WinogradBlocking
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import Layout
from glassconv.reports.verdict import Verdict

OUTPUTS = 4  # of a tile, along each axis
SMALLEST_TASK = 1_000_000  # multiply-adds of the definition


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """3×3 filters at stride and dilation 1, in float32 or float64."""
    return kernel.supports(problem)


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the time it takes by the rates that were seen on two AVX2 cores."""
    return kernel.seconds(problem, layout, OUTPUTS)


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Choose the blocks of a problem that `supports` accepts, for inputs in this memory layout."""
    return kernel.plan(problem, layout, target, threads, epilogue, OUTPUTS, SMALLEST_TASK)


def blocking(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> WinogradBlocking:
    """Return the blocks of a problem."""
    return kernel.blocking(problem, layout, target, threads, OUTPUTS, SMALLEST_TASK)
