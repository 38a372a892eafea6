"""Shown: a report that shows itself, in a terminal, as text, and in a notebook.

Reports import no views. `glassconv.display`, which does, gives them theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from glassconv.reports.compared import Compared

if TYPE_CHECKING:
    from rich.console import RenderableType


class Display(NamedTuple):
    """The functions that show a report: each imports the view it needs when it is called."""

    rich: Callable[[Any], RenderableType]
    text: Callable[[Any], str]
    html: Callable[[Any], str]


class Shown(Compared):
    """A report with a view: `print(report)` writes what the command line prints.

    >>> from glassconv import parse, trace
    >>> print(str(trace(parse("1x4 1@3"), "direct")).splitlines()[0])
    direct trace of 1x1x4 1@3 s1 p0
    """

    display: ClassVar[Display]

    def __rich__(self) -> RenderableType:
        """Return what rich prints in a terminal."""
        return self.display.rich(self)

    def __str__(self) -> str:
        """Return the text of the terminal, 80 columns wide and without colours."""
        return self.display.text(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return self.display.html(self)
