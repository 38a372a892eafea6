"""A convolution as one matrix: block Toeplitz with Toeplitz blocks, almost all zeros."""

from __future__ import annotations

from math import prod

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import pipeline, planes, style
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme

LEFT, TOP = 0.75, 2.0  # inches, as all lengths here
LARGEST = 7.6  # a side of the matrix
MOST_STRETCHED = 4  # the ratio of a cell's sides, if the matrix would be too thin
COLUMN = 0.32  # the width of a column of numbers
SHORTEST = 3.5  # a column, unless its cells would be larger than `planes.CELL`
GAP = 0.75
WIDE_HEADING, HEADING = 2.6, 1.2  # the widths of the matrix's and the output's headings
NARROWEST = 9.5
SMALLEST_TEXT = 6.0  # points: the smallest number worth writing


def draw(trace: Trace, chosen: int, subject: Subject, theme: Theme) -> Figure:
    """Draw matrix · input = output, for group 0. chosen: the output (row) that is outlined."""
    problem = trace.problem
    matrix, column = trace["matrix"][0], trace["column"][0, 0, :, :1]
    outputs = trace["output"][0].reshape(-1, 1)[: len(matrix)]
    high, wide = _cell(matrix.shape)
    tall, across = matrix.shape[0] * high, matrix.shape[1] * wide
    length = min(len(column) * planes.CELL, max(tall, SHORTEST))
    column_left = LEFT + max(across, WIDE_HEADING) + GAP
    output_left = column_left + max(COLUMN, style.width_of(subject.input_name, 12, bold=True)) + GAP
    bottom = TOP + max(tall, length) + 0.25
    subtitle = f"{subject}: each row has the same weights, shifted with the window"
    width = max(output_left + HEADING, LEFT + style.width_of(subtitle, 11) + 0.6, NARROWEST)
    figure = style.new_figure(width, bottom + 0.8, theme)
    zeros = float(np.mean(matrix == 0))
    title = f"The whole convolution is one matrix, {zeros:.0%} of it zeros"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)

    group = "of group 0, " if problem.groups > 1 else ""
    note = f"{group}[{matrix.shape[0]} outputs, {matrix.shape[1]} pixels]"
    pipeline.head(figure, LEFT, TOP, f"{subject.kernel_name}, as a matrix", note, theme)
    axes = style.add_axes(figure, LEFT, TOP, across, tall)
    style.draw_map(axes, matrix, style.centred_on_zero(matrix), theme, "auto")
    _write_weights(axes, matrix, (high, wide), theme)
    _draw_blocks(axes, problem, matrix.shape, theme)
    style.outline(axes, chosen, 0, 1, matrix.shape[1], theme, 2.2)

    pipeline.head(figure, column_left, TOP, subject.input_name, "a column", theme)
    read = np.flatnonzero(matrix[chosen])
    axes = style.add_axes(figure, column_left, TOP, COLUMN, length)
    style.draw_map(axes, column, style.centred_on_zero(column), theme, "auto")
    planes.mark(axes, [(int(place), 0) for place in read], theme, 1.4)

    note = "a column" if trace.bias is None else "bias added"
    pipeline.head(figure, output_left, TOP, "output", note, theme)
    axes = style.add_axes(figure, output_left, TOP, COLUMN, tall)
    style.draw_map(axes, outputs, style.centred_on_zero(outputs), theme, "auto")
    style.outline(axes, chosen, 0, 1, 1, theme, 2.2)
    middle = TOP + tall / 2
    pipeline.operator(figure, (column_left - GAP / 2, middle), "×", theme)
    pipeline.operator(figure, (output_left - GAP / 2, middle), "=", theme)

    pixels = f"{len(read)} pixel{'' if len(read) == 1 else 's'}"
    note = f"■ row {chosen} is one output: it reads the {pixels} of its window"
    style.write(figure, LEFT, bottom, note, theme, color=theme.accent, fontsize=10)
    block = f"{problem.output_size[1]} × {problem.input_size[1]}"
    note = f"blocks of {block}: a row of outputs and a row of pixels"
    if subject.problem.ndim == 1:
        note = f"a block of {block} for each channel"
    style.write(figure, LEFT, bottom + 0.25, note, theme, color=theme.muted, fontsize=10)
    return figure


def _cell(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return a cell's (height, width): square, unless the matrix would be too thin."""
    high, wide = (min(planes.CELL, LARGEST / count) for count in shape)
    return min(high, MOST_STRETCHED * wide), min(wide, MOST_STRETCHED * high)


def _write_weights(axes: Axes, matrix: Array, cell: tuple[float, float], theme: Theme) -> None:
    """Write the nonzero weights if the cells are large enough."""
    texts = {value: planes.brief(float(value)) for value in np.unique(matrix) if value}
    longest = max(map(len, texts.values()), default=1)
    high, wide = cell
    fontsize = min(9.0, high * 72 * 0.62, wide * 72 * 1.35 / longest)
    if fontsize < SMALLEST_TEXT:
        return
    colours = theme.diverging_map(style.centred_on_zero(matrix)(matrix))
    for row, column in np.argwhere(matrix):
        colour = style.readable_on(colours[row, column])
        axes.text(column, row, texts[matrix[row, column]], ha="center", va="center",
                  fontsize=fontsize, family=style.MONO, color=colour)  # fmt: skip


def _draw_blocks(axes: Axes, problem: ConvProblem, shape: tuple[int, ...], theme: Theme) -> None:
    """Draw a line after each row of outputs and of pixels, a bold one after each whole plane."""
    rows, columns = shape
    for planes_of, count, draw_line in (
        (problem.output_size, rows, axes.axhline),
        (problem.input_size, columns, axes.axvline),
    ):
        for edge in range(planes_of[1], count, planes_of[1]):
            whole = edge % prod(planes_of) == 0
            colour, width = (theme.muted, 1.4) if whole else (theme.line, 0.9)
            draw_line(edge - 0.5, color=colour, linewidth=width)
