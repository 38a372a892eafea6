"""The algorithms as a table, with their verdicts for a problem."""

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
        """Return its source file."""


def algorithms(listed: Sequence[Described], choice: Choice | None) -> RenderableType:
    """Return a table of algorithms: description and file, or verdicts for the chosen problem."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    if choice is None:
        for heading in ("algorithm", "description", "source file"):
            table.add_column(heading)
        for algorithm in listed:
            description = algorithm.idea.partition(": ")[2]
            table.add_row(algorithm.name, description, algorithm.file.name)
        return table
    for heading in ("algorithm", "verdict", "compiled kernel"):
        table.add_column(heading)
    for candidate in choice.candidates:
        name = Text(candidate.name)
        if candidate.name == choice.algorithm:
            name.append("\n(auto)", "bold")
        verdict = Text.assemble(mark(candidate.verdict), " ", candidate.verdict.reason)
        kernel = "" if candidate.kernel is None else Text.assemble(
            mark(candidate.kernel), " ", candidate.kernel.reason
        )  # fmt: skip
        table.add_row(name, verdict, kernel)
    return table
