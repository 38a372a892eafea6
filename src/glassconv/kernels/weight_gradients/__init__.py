"""The kernels of the weight's gradient, one file each; the fastest predicted is taken.

Each module defines four functions:

    supports(problem, layout) -> Verdict        whether it is supported in this layout, and why
    work(problem, layout, target, threads) -> Work          what it does, counted
    plan(problem, layout, target, threads)      what computes it: of input and output gradient
    error_bound(problem) -> ErrorBound          proven, of the convolution that equals the gradient

Every result has the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from glassconv.codegen.openmp import threads
from glassconv.codegen.target import host
from glassconv.errors import UnsupportedError
from glassconv.kernels.runtime.cost_model import Work
from glassconv.kernels.runtime.cost_model import seconds as seconds_of
from glassconv.kernels.weight_gradients import depthwise, gemm, winograd
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import contiguous
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.machine import Machine
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class GradientKernel:
    """A kernel of the weight's gradient: the functions of its module."""

    name: str
    supports: Callable[[ConvProblem, str], Verdict]
    work: Callable[..., Work]
    plan_for: Callable[..., GradientPlan]
    error_bound: Callable[[ConvProblem], ErrorBound]

    def plan(self, problem: ConvProblem, layout: str) -> GradientPlan:
        """Plan a supported problem for the host processor and contiguous arrays in this layout."""
        given = contiguous(problem, layout)
        return self.plan_for(problem, given, host(), threads())

    def seconds(self, problem: ConvProblem, layout: str, machine: Machine) -> float:
        """Return the predicted time in seconds of a supported problem."""
        given = contiguous(problem, layout)
        return seconds_of(self.work(problem, given, host(), machine.threads), machine, layout)


KERNELS: Mapping[str, GradientKernel] = MappingProxyType(
    {
        name: GradientKernel(name, module.supports, module.work, module.plan, module.error_bound)
        for name, module in (("gemm", gemm), ("depthwise", depthwise), ("winograd", winograd))
    }
)


def supporting(problem: ConvProblem, layout: str) -> list[GradientKernel]:
    """Return the kernels that support a problem in this layout on this processor."""
    if host() is None:
        return []
    return [kernel for kernel in KERNELS.values() if kernel.supports(problem, layout)]


def fastest(problem: ConvProblem, layout: str, machine: Machine) -> GradientKernel:
    """Return the kernel that is predicted to be the fastest.

    Raises `UnsupportedError` with the reason of each where none supports the problem.
    """
    able = supporting(problem, layout)
    if not able:
        verdicts = {name: kernel.supports(problem, layout) for name, kernel in KERNELS.items()}
        reasons = "; ".join(f"{name}: {verdict.reason}" for name, verdict in verdicts.items())
        raise UnsupportedError(reasons, request=str(problem))
    return min(able, key=lambda kernel: kernel.seconds(problem, layout, machine))
