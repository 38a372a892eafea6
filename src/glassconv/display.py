"""Which view shows which report; a view is imported when its report is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassconv.reports.benchmark import Benchmark, LayerBenchmark
from glassconv.reports.choice import Choice
from glassconv.reports.kernel import KernelReport
from glassconv.reports.shown import Display, Shown
from glassconv.reports.trace import Backward, Trace
from glassconv.reports.verification import Difference, Sameness, Verification

if TYPE_CHECKING:
    from rich.console import RenderableType


def view(report: Shown) -> RenderableType:
    """Return what rich prints for a report."""
    from rich.console import Group

    match report:
        case Trace():
            from glassconv.views.terminal.trace import trace

            return trace(report)
        case Backward():
            from glassconv.views.terminal.trace import backward

            return Group(*backward(report))
        case Verification() | Sameness() | Difference():
            from glassconv.views.terminal.verification import verified

            return verified(report)
        case LayerBenchmark():
            return view(Benchmark(str(report.problem), "one layer", (report,)))
        case Benchmark():
            from glassconv.views.terminal.benchmark import benchmark_table

            return benchmark_table(report)
        case KernelReport():
            from glassconv.views.terminal.kernel import kernel_report

            return kernel_report(report)
        case Choice():
            from glassconv.views.terminal.algorithms import verdicts

            return verdicts(report)
    raise TypeError(f"no view shows a {type(report).__name__}")


def text(report: Shown) -> str:
    """Return a report as the terminal prints it, without colours."""
    from glassconv.views.terminal.text import plain

    return plain(view(report))


def html(report: Shown) -> str:
    """Return a report as one piece of HTML."""
    from glassconv.views.html.rich_html import fragment

    return fragment(view(report))


Shown.display = Display(view, text, html)
