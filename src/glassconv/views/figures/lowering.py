"""im2col: an input beside its im2col matrix, and the memory that the matrix takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import padding, pipeline, planes, style
from glassconv.views.figures.planes import Cell
from glassconv.views.figures.style import Theme
from glassconv.views.notation import size

LEFT, TOP = 0.75, 2.2  # inches, as all lengths here
HEADING, NOTE = 2.2, 4.7  # widths of the notes under the headings
LABELS = 1.3  # the gap before the matrix, with the labels of its rows
ABOVE = 0.2  # height of the labels of the columns
WIDEST, TALLEST = 9.0, 6.5  # the matrix
THINNEST = 0.12  # a cell's longer side, if the matrix is long
LABEL = 7.5  # points: a label's size
LETTER = (0.066, 0.13)  # the width and the height of a letter in one
LINE = 0.28  # from one line of the legend to the next
NARROWEST = 10.2  # fits the subtitle

Size = tuple[float, float]  # (height, width)


def draw(trace: Trace, position: Cell, pixel: Cell, theme: Theme) -> Figure:
    """Draw channel 0 and the whole matrix, of image 0, from a trace of im2col.

    position: (row, column) of the output whose window and column are outlined. pixel: (row,
    column) in the input, which is marked with all its copies.
    """
    problem = trace.problem
    source = planes.padded(problem, trace.input[0, 0])
    columns = trace["columns"][0]
    cell = planes.cell_size(source.shape)
    high, wide = _matrix_cell(columns.shape)
    matrix_left = LEFT + max(source.shape[1] * cell, HEADING) + LABELS
    bottom = TOP + max(source.shape[0] * cell, columns.shape[0] * high) + 0.35
    legend = _legend(problem, position, pixel, theme)
    width = max(matrix_left + max(columns.shape[1] * wide, NOTE) + 0.6, NARROWEST)
    figure = style.new_figure(width, bottom + LINE * len(legend) + 0.35, theme)
    _write_title(figure, problem, theme)

    norm = style.centred_on_zero(columns)
    pipeline.head(figure, LEFT, TOP - ABOVE, "input", _drawn(problem), theme)
    input_axes = planes.draw(figure, LEFT, TOP, source, norm, theme, cell)
    padding.hatch(input_axes, source.shape, problem.padding, theme)
    planes.dim(input_axes, planes.unread(problem), theme)
    planes.outline_window(input_axes, problem, position, cell, theme)

    note = f"a row for each tap (c, u, v), a column for each output (i, j): {_by(columns.shape)}"
    pipeline.head(figure, matrix_left, TOP - ABOVE, "im2col matrix", note, theme)
    matrix = _draw_matrix(figure, matrix_left, columns, norm, (high, wide), theme)
    _label(figure, problem, matrix_left, (high, wide), theme)
    place = position[0] * problem.output_size[1] + position[1]
    style.outline(matrix, 0, place, len(columns), 1, theme, min(2.4, 40 * wide))

    (before, _), (left, _) = problem.padding
    for axes, cells, least in (
        (input_axes, [(pixel[0] + before, pixel[1] + left)], cell),
        (matrix, copies_of(problem, pixel), min(high, wide)),
    ):
        inset = 0.14 if least >= planes.NUMBERED else 0.0  # smaller cells are covered
        planes.mark(axes, cells, theme, 1.6, _second(theme), inset)
    for line, (text, colour) in enumerate(legend):
        top = bottom + line * LINE
        style.write(figure, LEFT, top, text, theme, color=colour, fontsize=9.5)
    return figure


def copies_of(problem: ConvProblem, pixel: Cell) -> list[Cell]:
    """Return the cells (row, column) of the matrix that hold a pixel of channel 0."""
    rows, columns = (axis.tap_map() for axis in problem.axes)  # [output, kernel]
    cells = []
    for (i, u), (j, v) in product(np.argwhere(rows == pixel[0]), np.argwhere(columns == pixel[1])):
        cells.append((int(u * columns.shape[1] + v), int(i * columns.shape[0] + j)))
    return cells


def _write_title(figure: Figure, problem: ConvProblem, theme: Theme) -> None:
    title = "Every window becomes a column, so pixels are copied"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    subtitle = (
        f"{problem}: the matrix takes {size(problem.im2col_bytes)}, "
        f"{problem.expansion:.3g} × the input's {size(problem.input_bytes)}"
    )
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)


def _drawn(problem: ConvProblem) -> str:
    """Return which part of the input is drawn, and its size."""
    part = "image 0, " if problem.batch > 1 else ""
    part += "channel 0, " if problem.in_channels > 1 else ""
    return part + planes.extent(problem)


def _matrix_cell(shape: tuple[int, ...]) -> Size:
    """Return the size of the matrix's cells: square, unless the matrix would be too thin."""
    high, wide = min(planes.CELL, TALLEST / shape[0]), min(planes.CELL, WIDEST / shape[1])
    square = min(high, wide)
    return min(high, max(square, THINNEST)), min(wide, max(square, THINNEST))


def _draw_matrix(
    figure: Figure, left: float, columns: Array, norm: Normalize, cell: Size, theme: Theme
) -> Axes:
    high, wide = cell
    if high == wide:
        return planes.draw(figure, left, TOP, columns, norm, theme, high)
    axes = style.add_axes(figure, left, TOP, columns.shape[1] * wide, columns.shape[0] * high)
    style.draw_map(axes, columns, norm, theme, "auto")
    return axes


def _label(figure: Figure, problem: ConvProblem, left: float, cell: Size, theme: Theme) -> None:
    """Write c,u,v before the rows and i,j above the columns, or only c and i if space is short."""
    options = {"fontsize": LABEL, "family": style.MONO, "color": theme.muted, "va": "center"}
    rows = (problem.in_channels, *problem.kernel_size)
    for middle, text in _labels("c", rows, cell[0], across=False):
        style.write(figure, left - 0.1, TOP + middle, text, theme, **options, ha="right")
    for middle, text in _labels("i", problem.output_size, cell[1], across=True):
        style.write(figure, left + middle, TOP - 0.1, text, theme, **options, ha="center")


def _labels(
    first: str, sizes: Sequence[int], cell: float, *, across: bool
) -> list[tuple[float, str]]:
    """Return the middle and text of each label: one per cell, or else one per first index."""
    every = [",".join(map(str, index)) for index in product(*map(range, sizes))]
    blocks = [f"{first}={index}" for index in range(sizes[0])]
    for labels, step in ((every, cell), (blocks, cell * prod(sizes[1:]))):
        if step >= (max(map(len, labels)) * LETTER[0] if across else LETTER[1]):
            return [((place + 0.5) * step, label) for place, label in enumerate(labels)]
    return []


def _legend(
    problem: ConvProblem, position: Cell, pixel: Cell, theme: Theme
) -> list[tuple[str, str]]:
    """Return the lines of the legend and their colours."""
    row, column = position
    place = row * problem.output_size[1] + column
    copies = int(problem.copies()[pixel])
    windows = "1 window: it is copied once" if copies == 1 else (
        f"{copies} windows: it is copied {copies} times"
    )  # fmt: skip
    lines = [
        (f"■ the window of output ({row}, {column}) is column {place}", theme.accent),
        (f"■ pixel ({pixel[0]}, {pixel[1]}) is in {windows}", _second(theme)),
    ]
    unread = planes.say_unread(problem)
    lines += [(f"dimmed: {unread}", theme.muted)] if unread else []
    taps, steps = ("·".join(map(str, each)) for each in (problem.kernel_size, problem.stride))
    most = prod(problem.kernel_size) / prod(problem.stride)
    why = f"{taps} taps" + ("" if set(problem.stride) == {1} else f" ÷ stride {steps}")
    limit = f"for large inputs the matrix approaches {most:.3g} × the input's size: {why}"
    return [*lines, (limit, theme.muted)]


def _by(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))


def _second(theme: Theme) -> str:
    """Return the colour of the pixel and its copies."""
    return theme.diverging[0]
