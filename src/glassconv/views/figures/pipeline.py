"""What pictures of a pipeline share: arrays in columns, a heading over each, arrows between."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from glassconv.views.figures import style
from glassconv.views.figures.style import Theme

HEAD = 0.56  # inches, as all lengths here: what a name and a note take over an array
Point = tuple[float, float]  # from the figure's left and top


def head(figure: Figure, left: float, top: float, name: str, note: str, theme: Theme) -> None:
    """Write an array's name and, under it, what it is, over the array whose top left this is."""
    style.write(figure, left, top - HEAD + 0.04, name, theme, fontsize=12, weight="bold")
    style.write(figure, left, top - HEAD + 0.31, note, theme, fontsize=9, color=theme.muted)


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
    """Write the sign of what is done with two arrays at the point where their arrows meet."""
    style.write(figure, *place, sign, theme, fontsize=19, ha="center", va="center")
