"""The parts of every report in the terminal: sections, rows of label and text, marks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from glassconv.reports.verdict import Verdict


def section(place: int, title: str, body: RenderableType) -> Iterator[RenderableType]:
    """Yield a numbered heading and its body."""
    yield Rule(f"[bold]{place}  {title}", align="left", style="dim")
    yield Padding(body, (0, 0, 1, 2), expand=False)


def pairs(*rows: tuple[str, str]) -> Table:
    """Return rows of a label and a text, in two columns."""
    table = Table.grid(padding=(0, 2))
    for label, text in rows:
        table.add_row(Text(label, "dim"), Text(text))
    return table


def mark(verdict: Verdict) -> Text:
    """Return a tick or a cross."""
    return Text("✓", "green") if verdict else Text("✗", "bold red")


def table(*headings: str, left: Collection[str] = ()) -> Table:
    """Return an empty table for many columns; columns are right-aligned but those in `left`."""
    empty = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    for heading in headings:
        empty.add_column(
            heading, justify="left" if heading in left else "right", no_wrap=" " not in heading
        )
    return empty


def written(title: str, paths: Sequence[Path]) -> RenderableType:
    """Return where files were written."""
    return Group(Rule(title, style="dim"), *(Text(f"  {path}") for path in paths), "")
