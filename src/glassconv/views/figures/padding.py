"""Hatching of padding: the zeros drawn around an array."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from glassconv.views.figures.theme import Theme


def hatch(
    axes: Axes, padded: tuple[int, ...], padding: Sequence[tuple[int, int]], theme: Theme
) -> None:
    """Hatch the padding of a map [rows, columns].

    padded: the map's size, padding included. padding: (before, after) per axis.
    """
    rows, columns = padded
    (top, bottom), (left, right) = padding
    bands = [
        (0, 0, top, columns),
        (rows - bottom, 0, bottom, columns),
        (top, 0, rows - top - bottom, left),
        (top, columns - right, rows - top - bottom, right),
    ]
    for row, column, high, wide in bands:
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5),
                wide,
                high,
                facecolor=theme.background,
                edgecolor=theme.line,
                hatch="////",
                linewidth=0,
            )
        )
