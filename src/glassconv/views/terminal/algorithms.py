"""The algorithms as a table, with the verdict on each for one problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from glassconv.reports.choice import Choice
from glassconv.views.terminal.parts import mark


class Described(Protocol):
    """What this view reads of an algorithm."""

    @property
    def name(self) -> str:
        """Return the algorithm's name."""

    @property
    def idea(self) -> str:
        """Return its first line."""

    @property
    def file(self) -> Path:
        """Return the file that implements it."""


def listed(algorithms: Sequence[Described]) -> RenderableType:
    """Return a table of algorithms: the idea of each, and its file."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("algorithm", "idea", "in algorithms/"):
        table.add_column(heading)
    for algorithm in algorithms:
        idea = algorithm.idea.partition(": ")[2]
        table.add_row(algorithm.name, idea, algorithm.file.name)
    return table


def verdicts(choice: Choice) -> RenderableType:
    """Return a table of the algorithms with the verdict on each for a problem."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("algorithm", "verdict", "compiled kernel"):
        table.add_column(heading)
    for each in choice.candidates:
        name = Text(each.name)
        if each.name == choice.algorithm:
            name.append("\nselected by auto", "bold")
        verdict = Text.assemble(mark(each.verdict), " ", each.verdict.reason)
        kernel = "" if each.kernel is None else Text.assemble(
            mark(each.kernel), " ", each.kernel.reason
        )  # fmt: skip
        table.add_row(name, verdict, kernel)
    return table
