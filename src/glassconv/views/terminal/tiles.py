"""A plan of tiles in a terminal: what it costs, and the tiles drawn over the image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.tiles import TilePlan
from glassconv.views.notation import shape, size
from glassconv.views.terminal.parts import pairs

WIDEST, TALLEST = 60, 20  # characters of the drawing
WIDTH_OF_LINE = 2  # a line of text is about twice as high as a character is wide
MOST_SIZES = 4


def tiles(plan: TilePlan) -> RenderableType:
    """Return the plan's numbers and its drawing."""
    halo = " × ".join(f"{before}+{after}" for before, after in plan.halo)
    rows = (
        *((f"pass of {each.network}", f"{each.count:,} tiles") for each in plan.before),
        ("tiles", f"{plan.count:,}: {' × '.join(map(_sizes, plan.tiles)) or 'no axis is divided'}"),
        ("halo", f"{halo or 0} positions of the input"),
        ("redundant work", f"{100 * plan.redundant:.2g} %"),
        ("peak of memory", f"{size(plan.peak_bytes)} of {size(plan.memory_bytes)}"),
        ("read", f"{size(plan.read_bytes)}, of an input of {size(plan.input_bytes)}"),
        ("written", size(plan.output_bytes)),
    )
    return Group(
        Text(plan.network, "bold"),
        Text(f"{shape(plan.input_shape)} → {shape(plan.output_shape)}"),
        "",
        pairs(*rows),
        "",
        *(_drawing(plan) if plan.tiles else ()),
    )


def _sizes(lengths: Sequence[int]) -> str:
    """Return the sizes of tiles along an axis, equal ones counted.

    >>> _sizes((4, 4, 2)), _sizes((7,))
    ('(2 of 4, 1 of 2)', '7')
    """
    kinds = {length: lengths.count(length) for length in lengths}
    if len(kinds) == 1 and len(lengths) == 1:
        return str(lengths[0])
    listed = [f"{count} of {length:,}" for length, count in kinds.items()]
    more = ", …" if len(listed) > MOST_SIZES else ""
    return f"({', '.join(listed[:MOST_SIZES])}{more})"


def _drawing(plan: TilePlan) -> list[Text]:
    """Return the last two axes of the output, with borders of tiles, and what one tile reads."""
    *_, rows, columns = ((1,), *plan.tiles)
    height, width = sum(rows), sum(columns)
    scale = max(width / WIDEST, height / TALLEST / WIDTH_OF_LINE, 1.0)
    down = _places(rows, scale * WIDTH_OF_LINE if len(plan.tiles) > 1 else 1.0)
    right = _places(columns, scale)
    (*_, read_rows, read_columns) = ((0, 1), *plan.example.input)
    lengths = (1, *plan.input_shape[2:])[-2:]
    marked = [
        (
            round(start / length * end),
            max(round(start / length * end) + 1, round(stop / length * end)),
        )
        for (start, stop), length, end in zip(
            (read_rows, read_columns), lengths, (down[-1], right[-1]), strict=True
        )
    ]
    lines = []
    for line in range(down[-1] + 1):
        text = Text("  ")
        for column in range(right[-1] + 1):
            inside = all(
                start <= at <= stop
                for at, (start, stop) in zip((line, column), marked, strict=True)
            )
            character = _character(line, column, down, right)
            if inside and character == " ":
                character = "░"
            text.append(character, "bold magenta" if inside else "dim")
        lines.append(text)
    return [*lines, Text("  ░ what the tile in the middle reads", "dim")]


def _places(lengths: Sequence[int], scale: float) -> list[int]:
    """Return where the borders of tiles are drawn."""
    return [round(end / scale) for end in accumulate(lengths, initial=0)]


def _character(line: int, column: int, down: Sequence[int], right: Sequence[int]) -> str:
    """Return the character of a grid at a place."""
    if line not in down:
        return "│" if column in right else " "
    if column not in right:
        return "─"
    row = "┌┬┐" if line == down[0] else "└┴┘" if line == down[-1] else "├┼┤"
    return row[0 if column == right[0] else 2 if column == right[-1] else 1]
