"""Tables with a row for each layer of a network, in a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

WIDTH = 76  # of a table within a section
GAP = 2  # between its columns


def table_of(*headings: str, left: Sequence[str], gap: int = GAP) -> Table:
    """Return an empty table. gap: characters between columns, of which the box draws one."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, gap - 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    return table


def fitted(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> list[list[str]]:
    """Return rows whose names are shortened where the table would be too wide."""
    others = (
        max(len(heading), *(len(row[place]) for row in rows)) + GAP
        for place, heading in enumerate(headings)
        if place
    )
    width = max(12, WIDTH - sum(others))
    return [[_shortened(name, width), *rest] for name, *rest in rows]


def _shortened(name: str, width: int) -> str:
    """Return the beginning of a name, which says the stage, and more of its end, the layer."""
    if len(name) <= width:
        return name
    head = (width - 1) // 3
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"
