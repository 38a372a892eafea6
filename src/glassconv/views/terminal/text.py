"""What a terminal of 80 columns shows, as plain text."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def plain(shown: RenderableType) -> str:
    """Return the text, 80 columns wide, without colours and without spaces at the ends of lines.

    >>> plain("one  ")
    'one'
    """
    console = Console(file=io.StringIO(), width=80, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
