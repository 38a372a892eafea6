"""The panels of B: how a tile reads A by rows and a packed block of B in order."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme

CELL = 0.3  # inches, as all lengths here
MR, NR, KC, PANELS, ROW_TILES = 3, 4, 6, 3, 2


def draw(theme: Theme) -> Figure:
    """Draw A, B, C and packed B with small sizes: mr 3, nr 4, kc 6."""
    left, top, gap = 0.6, 1.75, 0.9
    rows, columns = MR * ROW_TILES, NR * PANELS
    right = left + KC * CELL + gap
    below = top + KC * CELL + gap
    far = right + columns * CELL + gap
    bottom = top + PANELS * (KC * CELL + 0.25)
    figure = style.new_figure(far + NR * CELL + 2, bottom + 0.3, theme)
    style.write(figure, left, 0.3, "Panels of B", theme, fontsize=18, weight="bold")
    note = "A tile reads mr rows of A and a micro-panel of B step by step; sums stay in registers."
    style.write(figure, left, 0.8, note, theme, color=theme.muted)
    places = (
        ("A  [m, kc], as it is", left, below, rows, KC),
        ("B  [kc, nc], row-major", right, top, KC, columns),
        ("C  [m, nc]", right, below, rows, columns),
    )
    for name, x, y, height, width in places:
        style.write(figure, x, y - 0.3, name, theme, weight="bold")
        axes = _matrix(figure, x, y, height, width, theme)
        if name[0] == "A":
            style.outline(axes, 0, 0, MR, KC, theme, 2.2)
            _walk(axes, [(MR / 2 - 0.5, 0), (MR / 2 - 0.5, KC - 1)], theme)
        elif name[0] == "B":
            style.outline(axes, 0, NR, KC, NR, theme, 2.2)
            _shade(axes, KC, theme)
        else:
            style.outline(axes, 0, NR, MR, NR, theme, 2.2)
    style.write(figure, far, top - 0.3, "packed  [panel, step, nr]", theme, weight="bold")
    for panel in range(PANELS):
        y = top + panel * (KC * CELL + 0.25)
        axes = _matrix(figure, far, y, KC, NR, theme)
        axes.add_patch(_rectangle(0, 0, KC, NR, theme, panel))
        if panel == 1:
            style.outline(axes, 0, 0, KC, NR, theme, 2.2)
            _walk(axes, [(0, 1.5), (KC - 1, 1.5)], theme)
        label = f"panel {panel}:\n{KC} steps of {NR},\ncontiguous"
        style.write(figure, far + NR * CELL + 0.2, y + 0.5, label, theme, color=theme.muted)
    return figure


def _matrix(figure: Figure, x: float, y: float, rows: int, columns: int, theme: Theme) -> Axes:
    axes = style.add_axes(figure, x, y, columns * CELL, rows * CELL)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    for row in range(rows):
        for column in range(columns):
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fc=theme.panel, ec=theme.line, lw=0.8)
            )
    return axes


def _shade(axes: Axes, rows: int, theme: Theme) -> None:
    for panel in range(PANELS):
        axes.add_patch(_rectangle(0, panel * NR, rows, NR, theme, panel))


def _rectangle(
    row: int, column: int, rows: int, columns: int, theme: Theme, panel: int
) -> Rectangle:
    colour = theme.sequential_map((panel + 1) / (PANELS + 1))
    return Rectangle((column - 0.5, row - 0.5), columns, rows, fc=colour, alpha=0.45, lw=0)


def _walk(axes: Axes, ends: list[tuple[float, float]], theme: Theme) -> None:
    """Draw an arrow from one (row, column) to another."""
    (first_row, first_column), (last_row, last_column) = ends
    start, stop = (first_column, first_row), (last_column, last_row)
    arrow = FancyArrowPatch(
        start, stop, arrowstyle="-|>", mutation_scale=14, color=theme.accent, lw=2
    )
    axes.add_patch(arrow)
