"""Compiled 3×3 with stride 2 by pieces of F(2, 2) and F(2, 1); see winograd_parts/kernel.py.

Tiles of 2×2 outputs take 25 products instead of 36. Tiles of 4×4, which save more, have transformed
filters of nine times the weight, which many layers read from memory.
"""

from __future__ import annotations

from glassconv.codegen.target import Target
from glassconv.kernels.runtime.cost_model import Work
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.winograd_parts import kernel
from glassconv.kernels.winograd_parts.parameters import (
    KERNEL_SIZE,
    WinogradBlocking,
    size_of_tile,
)
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import Layout
from glassconv.reports.verdict import Verdict

TILE_OUTPUTS = 2  # along each axis
MIN_MACS_PER_TASK = 1_000_000  # of direct convolution


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether the problem is 2D with 3×3 kernels, stride 2, dilation 1 and U in cache."""
    verdict = kernel.supports(problem, stride=2)
    elements = size_of_tile(TILE_OUTPUTS, 2) ** 2
    if verdict and problem.weight_bytes * elements > kernel.LARGE_U_BYTES * KERNEL_SIZE**2:
        reason = "reading transformed filters larger than the cache costs more than is saved"
        return Verdict(False, reason)
    return verdict


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a supported problem, for inputs in the given memory layout."""
    return kernel.plan(problem, layout, target, threads, epilogue, TILE_OUTPUTS, MIN_MACS_PER_TASK)


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    return kernel.work(problem, layout, target, threads, TILE_OUTPUTS, MIN_MACS_PER_TASK)


def blocking(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> WinogradBlocking:
    """Return the blocks of a problem."""
    return kernel.blocking(problem, layout, target, threads, TILE_OUTPUTS, MIN_MACS_PER_TASK)
