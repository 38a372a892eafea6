"""What was swapped in a model: the layers of each class, and why others were kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from glassconv.reports.swap import Swap


def swap(report: Swap[object]) -> RenderableType:
    """Return the swapped layers by class, then the layers that were kept, each with the reason."""
    parts = [_heading("swapped", len(report.swapped))]
    classes: dict[str, list[str]] = {}
    for layer in report.swapped:
        classes.setdefault(layer.after.rpartition(".")[2], []).append(_names(layer.names))
    if classes:
        parts.append(_rows((kind, ", ".join(names)) for kind, names in classes.items()))
    if report.kept:
        parts.append(_heading("not swapped", len(report.kept)))
        parts.append(
            _rows((_names(kept.names), f"{kept.layer}: {kept.reason}") for kept in report.kept)
        )
    return Group(*parts)


def _heading(title: str, count: int) -> RenderableType:
    return Text(f"{title}: {count or 'no'} layer{'s' * (count != 1)}", "bold")


def _names(names: Sequence[str]) -> str:
    return " = ".join(name or "the model itself" for name in names)


def _rows(rows: Iterable[tuple[str, str]]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for first, second in rows:
        table.add_row(Text(first), Text(second))
    return Padding(table, (0, 0, 0, 2), expand=False)
