"""An explanation for a terminal of 80 columns; plain when piped."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from glassconv.reports.explanation import Explanation
from glassconv.views.explanation_blocks import (
    AlgorithmTable,
    Block,
    Listing,
    Note,
    Pairs,
)
from glassconv.views.explanation_sections import chapters, summary
from glassconv.views.terminal.parts import mark, pairs, section


def explained(facts: Explanation) -> RenderableType:
    """Return the six sections of an explanation under the problem itself."""
    return Group(
        Text(facts.shorthand, "bold"),
        Text(summary(facts)),
        "",
        *_sections(facts),
    )


def _sections(facts: Explanation) -> Iterator[RenderableType]:
    for place, chapter in enumerate(chapters(facts), start=1):
        yield from section(place, chapter.title, Group(*_spaced(chapter.blocks)))


def _spaced(blocks: tuple[Block, ...]) -> Iterator[RenderableType]:
    """Yield the blocks, a blank line before each note that is not the first."""
    for place, block in enumerate(blocks):
        if place and isinstance(block, Note):
            yield ""
        yield _block(block)


def _block(block: Block) -> RenderableType:
    match block:
        case Pairs(rows):
            return pairs(*rows)
        case Note(text):
            return Text(text, "dim")
        case AlgorithmTable():
            return _algorithm_table(block)
        case Listing(title, code):
            lines = Text("\n").join(map(_code, code.splitlines()))
            return Group("", Text(title, "bold"), Padding(lines, (0, 0, 0, 2), expand=False))


def _code(line: str) -> Text:
    """Return a line of a snippet, its comment quieter; a snippet has no # in a string."""
    code, sharp, comment = line.partition("#")
    return Text.assemble(code, (sharp + comment, "dim"))


def _algorithm_table(block: AlgorithmTable) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", width=1)
    for heading in block.headings:
        left = heading in (block.headings[0], block.headings[-1])
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for verdict, cells in block.rows:
        table.add_row(mark(verdict), *cells)
    return table
