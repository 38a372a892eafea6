"""A pass in a terminal: the network before it and after it, one operation per line."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glassconv.reports.plan import ListedOperation, PassReport
from glassconv.views.notation import shape


def pass_shown(report: PassReport) -> RenderableType:
    """Return the operations before and after, with a mark for those that the pass changes."""
    before, after = set(report.before), set(report.after)
    return Group(
        Text(f"{report.model}: {report.name}", "bold"),
        Text(report.about, "dim"),
        "",
        Text(f"before: {len(report.before):,} operations"),
        _listing(report.before, after, "−", "red"),
        "",
        Text(f"after: {len(report.after):,} operations"),
        _listing(report.after, before, "+", "green"),
    )


def _listing(
    operations: Sequence[ListedOperation], same: Collection[ListedOperation], mark: str, style: str
) -> Table:
    table = Table.grid("", "", "", "", padding=(0, 1))
    for column in table.columns:
        column.overflow = "fold"
    for each in operations:
        is_same = each in same
        shapes = ", ".join(map(shape, each.output_shapes))
        row = (each.name, _call(each), f"→ {shapes}")
        table.add_row(" " if is_same else mark, *map(Text, row), style="" if is_same else style)
    return table


def _call(operation: ListedOperation) -> str:
    arguments = [f"{name}={text}" for name, text in operation.arguments]
    return f"{operation.function}({', '.join([*operation.inputs, *arguments])})"
