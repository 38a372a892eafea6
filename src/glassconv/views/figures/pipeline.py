"""Headings, arrows and operators of figures that show a pipeline of arrays."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme

HEAD = 0.56  # inches, as all lengths here: the height of a name and a note above an array
Point = tuple[float, float]  # from the figure's left and top


def head(figure: Figure, left: float, top: float, name: str, note: str, theme: Theme) -> None:
    """Write a name and a note above the array whose top left corner is at (left, top)."""
    style.write(figure, left, top - HEAD + 0.04, name, theme, fontsize=12, weight="bold")
    style.write(figure, left, top - HEAD + 0.31, note, theme, fontsize=9.5, color=theme.muted)


def width_of_head(name: str, note: str) -> float:
    """Return the width of a name and a note."""
    return max(style.width_of(name, 12, bold=True), style.width_of(note, 9.5)) + 0.05


def arrow(figure: Figure, start: Point, end: Point, theme: Theme) -> None:
    """Draw an arrow from one array to the next."""
    width, height = figure.get_size_inches()
    ends = [(left / width, 1 - top / height) for left, top in (start, end)]
    figure.add_artist(
        FancyArrowPatch(
            *ends,
            arrowstyle="-|>",
            mutation_scale=11,
            color=theme.muted,
            linewidth=1.1,
            shrinkA=0,
            shrinkB=0,
            transform=figure.transFigure,
        )
    )


def operator(figure: Figure, place: Point, sign: str, theme: Theme) -> None:
    """Write an operator between two arrays, centred at a point."""
    style.write(figure, *place, sign, theme, fontsize=19, ha="center", va="center")
