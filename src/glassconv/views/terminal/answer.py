"""A network's answer in a terminal: classes with their probabilities, or outputs."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glassconv.reports.answer import Answer
from glassconv.views.notation import shape
from glassconv.views.terminal.parts import table


def answer_shown(report: Answer) -> RenderableType:
    """Return the classes or the outputs, and what the network got."""
    return Group(
        Text(report.model, "bold"),
        Text(report.image),
        *(Text(f"without a plan: {reason}", "dim") for reason in report.reasons),
        "",
        *_results(report),
    )


def _results(report: Answer) -> Iterator[RenderableType]:
    if report.classes:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(justify="right")
        for each in report.classes:
            label = each.label or f"class {each.number}"
            grid.add_row(Text(f"{100 * each.probability:.1f} %", "bold"), Text(label))
        yield grid
    if report.outputs:
        rows = table("output", "element type", "smallest", "largest", left=("output",))
        for output in report.outputs:
            ends = (output.smallest, output.largest)
            numbers = ("" if end is None else f"{end:.4g}" for end in ends)
            rows.add_row(shape(output.shape), output.dtype, *numbers)
        yield rows
