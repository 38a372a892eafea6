"""One channel as a plane of cells, with numbers if they fit and unread cells dimmed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme

CELL = 0.34  # inches, as all lengths here: a cell with a number in it
NUMBERED = 0.24  # the smallest cell with a number
MOST_NUMBERS = 16  # cells per side of a plane with numbers
SIDE = 4.0  # the longer side of larger planes
DIMMED = 0.72  # opacity of the cover of an unread cell

Cell = tuple[int, int]  # (row, column)


def cell_size(shape: tuple[int, ...]) -> float:
    """Return the size of a cell, in inches, at which a plane [rows, columns] is drawn."""
    return CELL if max(shape) <= MOST_NUMBERS else SIDE / max(shape)


def draw(
    figure: Figure,
    left: float,
    top: float,
    values: Array,
    norm: Normalize,
    theme: Theme,
    cell: float = CELL,
) -> Axes:
    """Draw values [rows, columns], with numbers if the cells are large enough."""
    rows, columns = values.shape
    axes = style.add_axes(figure, left, top, columns * cell, rows * cell)
    if cell < NUMBERED:
        style.draw_map(axes, values, norm, theme, "auto")
        return axes
    texts = [[brief(float(value)) for value in row] for row in values]
    longest = max((len(text) for row in texts for text in row), default=1)
    fontsize = min(9.0, 28 / longest) * cell / CELL
    style.draw_cells(axes, values, texts, norm, theme, fontsize)
    return axes


def draw_nothing(axes: Axes, rows: int, columns: int, theme: Theme) -> None:
    """Draw empty cells."""
    panel = ListedColormap([theme.panel])
    axes.imshow(np.zeros((rows, columns)), cmap=panel, aspect="auto", interpolation="nearest")
    for edge in range(columns + 1):
        axes.axvline(edge - 0.5, color=theme.background, linewidth=0.6)
    for edge in range(rows + 1):
        axes.axhline(edge - 0.5, color=theme.background, linewidth=0.6)


def brief(value: float) -> str:
    """Write a number in few characters, with a minus sign, and −0 as 0.

    >>> brief(-2.0), brief(0.1234), brief(-0.0)
    ('−2', '0.12', '0')
    """
    value += 0.0  # −0 becomes 0
    text = f"{value:.0f}" if value.is_integer() else f"{value:.2f}"
    return text.replace("-", "−")


def padded(problem: ConvProblem, plane: Array) -> Array:
    """Return one channel [height, width] with the problem's padding around it."""
    around: Array = np.pad(plane, problem.padding)
    return around


def extent(problem: ConvProblem) -> str:
    """Return the size of the input as drawn."""
    rows, columns = (axis.padded_size for axis in problem.axes)
    return f"{rows} × {columns}{' with its padding' if problem.is_padded else ''}"


def window(problem: ConvProblem, position: Cell) -> tuple[range, range]:
    """Return the rows and the columns of the padded plane that one output reads."""
    rows, columns = (
        range(place * axis.stride, place * axis.stride + axis.extent, axis.dilation)
        for place, axis in zip(position, problem.axes, strict=True)
    )
    return rows, columns


def outline_window(
    axes: Axes, problem: ConvProblem, position: Cell, cell: float, theme: Theme
) -> None:
    """Outline the window of one output in a padded plane, and each tap of a dilated window.

    cell: the size of a cell in inches.
    """
    rows, columns = window(problem, position)
    high, wide = (axis.extent for axis in problem.axes)
    style.outline(axes, rows[0], columns[0], high, wide, theme, 2.4)
    if set(problem.dilation) != {1}:
        mark(axes, product(rows, columns), theme, min(1.6, 12 * cell), inset=0.14)


def unread(problem: ConvProblem) -> list[Cell]:
    """Return the cells of the padded plane that no window reads."""
    reads = []
    for number, axis in enumerate(problem.axes):
        places = [window(problem, (at, at))[number] for at in range(axis.output_size)]
        reads.append(np.isin(np.arange(axis.padded_size), [list(place) for place in places]))
    return [(int(row), int(column)) for row, column in np.argwhere(~np.logical_and.outer(*reads))]


def say_unread(problem: ConvProblem) -> str:
    """Return which cells no window reads, or "" if all are read.

    >>> from glassconv import parse
    >>> say_unread(parse("1x8x8 1@3x3 s2 p1"))
    '19 zeros of padding that no window reads'
    """
    pixels = int((problem.copies() == 0).sum())
    zeros = len(unread(problem)) - pixels
    counts = [
        (pixels, "pixel" if pixels == 1 else "pixels"),
        (zeros, "zero of padding" if zeros == 1 else "zeros of padding"),
    ]
    text = " and ".join(f"{count} {name}" for count, name in counts if count)
    return f"{text} that no window reads" if text else ""


def dim(axes: Axes, cells: Iterable[Cell], theme: Theme) -> None:
    """Dim cells and the numbers in them."""
    for row, column in cells:
        cover = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=theme.background,
                          linewidth=0, alpha=DIMMED, zorder=4)  # fmt: skip
        axes.add_patch(cover)


def mark(
    axes: Axes,
    cells: Iterable[Cell],
    theme: Theme,
    width: float,
    colour: str = "",
    inset: float = 0.0,
) -> None:
    """Outline cells one by one, in the accent colour unless `colour` is given.

    inset: the distance of the outline from the edge, as a share of a cell; if not 0, the outline
    has a halo.
    """
    halo = withStroke(linewidth=2 * width, foreground=theme.background)
    for row, column in cells:
        axes.add_patch(
            Rectangle(
                (column - 0.5 + inset, row - 0.5 + inset),
                1 - 2 * inset,
                1 - 2 * inset,
                fill=False,
                edgecolor=colour or theme.accent,
                linewidth=width,
                clip_on=False,
                zorder=5,
                path_effects=[halo] if inset else None,
            )
        )
