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
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import size

LEFT, TOP = 0.75, 2.2  # inches, as all lengths here
HEADING = 2.6  # the width of the note under the heading of the input
LABELS = 1.3  # the gap before the matrix, with the labels of its rows
ABOVE = 0.2  # height of the labels of the columns
WIDEST, TALLEST = 9.0, 6.5  # the matrix
THINNEST = 0.12  # a cell's longer side, if the matrix is long
LABEL = 8.5  # points: a label's size
LETTER = (0.075, 0.145)  # the width and the height of a letter in one
GROUP = 1.6  # the width of the name of a group
LINE = 0.28  # from one line of the legend to the next
NARROWEST = 9.6

Size = tuple[float, float]  # (height, width)


def draw(trace: Trace, position: Cell, pixel: Cell, subject: Subject, theme: Theme) -> Figure:
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
    legend = _legend(problem, position, pixel, subject, theme)
    groups = GROUP if problem.groups > 1 else 0
    room = max(columns.shape[1] * wide + groups, style.width_of(_note(columns, subject), 9.5))
    subtitle = _subtitle(problem, subject)
    width = max(matrix_left + room, LEFT + style.width_of(subtitle, 11), NARROWEST) + 0.6
    figure = style.new_figure(width, bottom + LINE * len(legend) + 0.35, theme)
    _write_title(figure, subtitle, theme)

    norm = style.centred_on_zero(columns)
    pipeline.head(figure, LEFT, TOP - ABOVE, subject.input_name, _drawn(problem, subject), theme)
    input_axes = planes.draw(figure, LEFT, TOP, source, norm, theme, cell)
    padding.hatch(input_axes, source.shape, problem.padding, theme)
    planes.dim(input_axes, planes.unread(problem), theme)
    planes.outline_window(input_axes, problem, position, cell, theme)

    note = _note(columns, subject)
    pipeline.head(figure, matrix_left, TOP - ABOVE, "im2col matrix", note, theme)
    matrix = _draw_matrix(figure, matrix_left, columns, norm, (high, wide), theme)
    _label(figure, problem, subject, matrix_left, (high, wide), theme)
    if problem.groups > 1:
        _draw_groups(figure, problem, matrix_left + columns.shape[1] * wide, high, theme)
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
        style.write(figure, LEFT, top, text, theme, color=colour, fontsize=10.5)
    return figure


def copies_of(problem: ConvProblem, pixel: Cell) -> list[Cell]:
    """Return the cells (row, column) of the matrix that hold a pixel of channel 0."""
    rows, columns = (axis.tap_map() for axis in problem.axes)  # [output, kernel]
    cells = []
    for (i, u), (j, v) in product(np.argwhere(rows == pixel[0]), np.argwhere(columns == pixel[1])):
        cells.append((int(u * columns.shape[1] + v), int(i * columns.shape[0] + j)))
    return cells


def _write_title(figure: Figure, subtitle: str, theme: Theme) -> None:
    title = "Every window becomes a column, so pixels are copied"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)


def _subtitle(problem: ConvProblem, subject: Subject) -> str:
    return (
        f"{subject}: the matrix takes {size(problem.im2col_bytes)}, "
        f"{problem.expansion:.3g} × the input's {size(problem.input_bytes)}"
    )


def _drawn(problem: ConvProblem, subject: Subject) -> str:
    """Return which part of the input is drawn, and its size."""
    part = "image 0, " if problem.batch > 1 else ""
    part += "channel 0, " if problem.in_channels > 1 else ""
    sizes = subject.by([axis.padded_size for axis in problem.axes])
    return part + sizes + (" with its padding" if problem.is_padded else "")


def _note(columns: Array, subject: Subject) -> str:
    tap, output = ("c, u, v", "i, j") if subject.problem.ndim > 1 else ("c, u", "i")
    return f"a row for each tap ({tap}), a column for each output ({output}): {_by(columns.shape)}"


def _draw_groups(
    figure: Figure, problem: ConvProblem, left: float, high: float, theme: Theme
) -> None:
    """Draw a coloured bar beside the rows of each group, and name its channels."""
    rows, channels = problem.gemm.k, problem.weight_shape[1]
    for group in range(problem.groups):
        top, colour = TOP + group * rows * high, style.group_colour(group)
        bar = style.add_axes(figure, left + 0.08, top + 0.01, 0.1, rows * high - 0.02)
        bar.set_axis_on()
        bar.set_facecolor(colour)
        bar.set(xticks=[], yticks=[])
        if rows * high >= 2 * LETTER[1]:
            first = group * channels
            text = f"group {group}: c={first}" + (
                f"–{first + channels - 1}" if channels > 1 else ""
            )
            style.write(figure, left + 0.25, top + rows * high / 2, text, theme, va="center",
                        fontsize=9.5, color=colour)  # fmt: skip


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


def _label(
    figure: Figure, problem: ConvProblem, subject: Subject, left: float, cell: Size, theme: Theme
) -> None:
    """Write c,u,v before the rows and i,j above the columns, or only c and i if space is short."""
    options = {"fontsize": LABEL, "family": style.MONO, "color": theme.muted, "va": "center"}
    ndim = subject.problem.ndim
    rows = (problem.in_channels, *problem.kernel_size[-ndim:])
    for middle, text in _labels("c", rows, cell[0], across=False):
        style.write(figure, left - 0.1, TOP + middle, text, theme, **options, ha="right")
    for middle, text in _labels("i", problem.output_size[-ndim:], cell[1], across=True):
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
    problem: ConvProblem, position: Cell, pixel: Cell, subject: Subject, theme: Theme
) -> list[tuple[str, str]]:
    """Return the lines of the legend and their colours."""
    row, column = position
    place = row * problem.output_size[1] + column
    copies = int(problem.copies()[pixel])
    windows = "1 window: it is copied once" if copies == 1 else (
        f"{copies} windows: it is copied {copies} times"
    )  # fmt: skip
    lines = [
        (f"■ the window of output ({subject.place(position)}) is column {place}", theme.accent),
        (f"■ pixel ({subject.place(pixel)}) is in {windows}", _second(theme)),
    ]
    unread = planes.say_unread(problem)
    lines += [(f"dimmed: {unread}", theme.muted)] if unread else []
    asked = subject.problem
    taps, steps = ("·".join(map(str, each)) for each in (asked.kernel_size, asked.stride))
    most = prod(problem.kernel_size) / prod(problem.stride)
    why = f"{taps} taps" + ("" if set(problem.stride) == {1} else f" ÷ stride {steps}")
    limit = f"for large inputs the matrix approaches {most:.3g} × the input's size: {why}"
    return [*lines, (limit, theme.muted)]


def _by(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))


def _second(theme: Theme) -> str:
    """Return the colour of the pixel and its copies."""
    return theme.diverging[0]
