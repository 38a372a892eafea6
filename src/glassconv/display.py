"""Which view shows which report; a view is imported when its report is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from glassconv.reports.answer import Answer
from glassconv.reports.benchmark import Benchmark, LayerBenchmark
from glassconv.reports.choice import Choice
from glassconv.reports.gradient_kernels import GradientKernels
from glassconv.reports.gradient_verification import (
    GradientVerification,
    NetworkGradientVerification,
)
from glassconv.reports.gradients import GradientExplanation, NetworkGradients
from glassconv.reports.kernel import KernelReport
from glassconv.reports.machine import Machine
from glassconv.reports.network_benchmark import (
    NetworkBenchmark,
    NetworkBenchmarks,
    NetworkProfile,
)
from glassconv.reports.network_verification import NetworkVerification
from glassconv.reports.plan import PassReport, PlanReport
from glassconv.reports.running_bounds import RunningBounds
from glassconv.reports.shown import Display, Shown
from glassconv.reports.swap import Swap
from glassconv.reports.tiles import TilePlan
from glassconv.reports.trace import Backward, Trace
from glassconv.reports.tuning import NetworkTuning
from glassconv.reports.verification import Difference, Sameness, Verification

if TYPE_CHECKING:
    from rich.console import RenderableType


def view(report: Shown) -> RenderableType:
    """Return what rich prints for a report; raises `TypeError` for one without a view."""
    if type(report) not in VIEWS:
        raise TypeError(f"no view shows a {type(report).__name__}")
    return VIEWS[type(report)](report)


def text(report: Shown) -> str:
    """Return a report as the terminal prints it, without colours."""
    from glassconv.views.terminal.text import plain

    return plain(report)


def html(report: Shown) -> str:
    """Return a report as one piece of HTML."""
    from glassconv.views.html.rich_html import fragment

    return fragment(view(report))


def _trace(report: Trace) -> RenderableType:
    from glassconv.views.terminal.trace import trace

    return trace(report)


def _backward(report: Backward) -> RenderableType:
    from rich.console import Group

    from glassconv.views.terminal.trace import backward

    return Group(*backward(report))


def _verified(report: Verification | Sameness | Difference) -> RenderableType:
    from glassconv.views.terminal.verification import verified

    return verified(report)


def _gradient_verification(report: GradientVerification) -> RenderableType:
    from glassconv.views.terminal.gradient_verification import verified

    return verified(report)


def _network_gradient_verification(report: NetworkGradientVerification) -> RenderableType:
    from glassconv.views.terminal.gradient_verification import network_verified

    return network_verified(report)


def _gradients(report: GradientExplanation) -> RenderableType:
    from glassconv.views.terminal.gradients import explained

    return explained(report)


def _network_gradients(report: NetworkGradients) -> RenderableType:
    from glassconv.views.terminal.gradients import network_explained

    return network_explained(report)


def _network_verification(report: NetworkVerification) -> RenderableType:
    from glassconv.views.terminal.network_verification import verified

    return verified(report)


def _running_bounds(report: RunningBounds) -> RenderableType:
    from glassconv.views.terminal.verification import running_bounds

    return running_bounds(report)


def _benchmark(report: Benchmark) -> RenderableType:
    from glassconv.views.terminal.benchmark import benchmark_table

    return benchmark_table(report)


def _layer_benchmark(report: LayerBenchmark) -> RenderableType:
    return _benchmark(Benchmark(str(report.problem), "one layer", (report,)))


def _network_benchmark(report: NetworkBenchmark) -> RenderableType:
    from glassconv.views.terminal.network_benchmark import network_benchmark

    return network_benchmark(report)


def _network_benchmarks(report: NetworkBenchmarks) -> RenderableType:
    from glassconv.views.terminal.network_benchmark import network_benchmarks

    return network_benchmarks(report)


def _network_profile(report: NetworkProfile) -> RenderableType:
    from glassconv.views.terminal.network_benchmark import network_profile

    return network_profile(report)


def _kernel(report: KernelReport) -> RenderableType:
    from glassconv.views.terminal.kernel import kernel_report

    return kernel_report(report)


def _gradient_kernels(report: GradientKernels) -> RenderableType:
    from glassconv.views.terminal.gradient_kernels import gradient_kernels

    return gradient_kernels(report)


def _machine(report: Machine) -> RenderableType:
    from glassconv.views.terminal.machine import machine_report

    return machine_report(report)


def _choice(report: Choice) -> RenderableType:
    from glassconv.views.terminal.algorithms import verdicts

    return verdicts(report)


def _swap(report: Swap[object]) -> RenderableType:
    from glassconv.views.terminal.swap import swap

    return swap(report)


def _tuning(report: NetworkTuning) -> RenderableType:
    from glassconv.views.terminal.tuning import tuning_table

    return tuning_table(report)


def _answer(report: Answer) -> RenderableType:
    from glassconv.views.terminal.answer import answer_shown

    return answer_shown(report)


def _plan(report: PlanReport) -> RenderableType:
    from glassconv.views.terminal.plan import PlanView

    return PlanView(report)


def _pass(report: PassReport) -> RenderableType:
    from glassconv.views.terminal.passes import pass_shown

    return pass_shown(report)


def _tiles(report: TilePlan) -> RenderableType:
    from glassconv.views.terminal.tiles import tiles

    return tiles(report)


VIEWS: dict[type[Shown], Callable[[Any], RenderableType]] = {
    Trace: _trace,
    Backward: _backward,
    Verification: _verified,
    Sameness: _verified,
    Difference: _verified,
    NetworkVerification: _network_verification,
    GradientVerification: _gradient_verification,
    NetworkGradientVerification: _network_gradient_verification,
    GradientExplanation: _gradients,
    NetworkGradients: _network_gradients,
    RunningBounds: _running_bounds,
    Benchmark: _benchmark,
    LayerBenchmark: _layer_benchmark,
    NetworkBenchmark: _network_benchmark,
    NetworkBenchmarks: _network_benchmarks,
    NetworkProfile: _network_profile,
    KernelReport: _kernel,
    GradientKernels: _gradient_kernels,
    Machine: _machine,
    Choice: _choice,
    Swap: _swap,
    NetworkTuning: _tuning,
    Answer: _answer,
    PlanReport: _plan,
    PassReport: _pass,
    TilePlan: _tiles,
}
DISPLAY = Display(view, text, html)
