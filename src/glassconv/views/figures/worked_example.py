"""The worked example: a small convolution in integers, with one output written out in full."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glassconv.reports.array import Array
from glassconv.reports.worked_example import WorkedExample
from glassconv.views.figures import style
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import added, number, products

CELL = 0.32  # inches, as all lengths here
ROW_GAP = 0.28
LEFT, TOP = 0.75, 1.85
NARROWEST = 7.6  # fits the title
HEADING = 2.1  # width of the note under a heading
CHARACTER = 0.105  # width in the sums


def draw(example: WorkedExample, subject: Subject, theme: Theme) -> Figure:
    """Draw a row per channel (padded input, filters, products), and the output."""
    channels, rows, columns = example.padded.shape
    filters, _, kernel_rows, kernel_columns = example.weight.shape
    row_height = rows * CELL + ROW_GAP

    lines, wide = _product_lines(example), _cell_width(example)
    filters_left = LEFT + max(columns * wide, HEADING) + 0.6
    filter_step = (
        max(
            kernel_columns * wide,
            *(style.width_of(_bias(example, filter), 9) for filter in range(filters)),
            HEADING / 3,
        )
        + 0.4
    )
    sums_left = filters_left + filters * filter_step + 0.35
    longest = max(len(line) for block in lines for line in block)
    output_left = sums_left + max(longest * CHARACTER, HEADING) + 0.6
    width = max(output_left + example.output.shape[2] * wide + 0.7, NARROWEST)
    output_stack = filters * (example.output.shape[1] * CELL + ROW_GAP)
    bottom = TOP + max(channels * row_height, output_stack)
    figure = style.new_figure(width, bottom + 1.0, theme)

    _write_title(figure, example, subject, theme)
    _draw_input(figure, example, subject, theme)

    norm = style.centred_on_zero(example.weight)
    for filter in range(filters):
        left = filters_left + filter * filter_step
        _head(figure, left, f"filter {filter}", _bias(example, filter), theme)
        for slice_, channel in enumerate(example.channels_of(filter)):
            top = TOP + channel * row_height + (rows - kernel_rows) * CELL / 2
            axes = _grid(figure, left, top, wide, example.weight[filter, slice_], norm, theme)
            if filter == example.chosen[0]:
                style.outline(axes, 0, 0, kernel_rows, kernel_columns, theme, 2.2)

    _head(figure, sums_left, "every product", "input times weight, per channel", theme)
    for block, channel in zip(lines, example.channels_of(example.chosen[0]), strict=True):
        middle = TOP + channel * row_height + rows * CELL / 2
        for number_, line in enumerate(block):
            top = middle + (number_ - len(block) / 2) * CELL + 0.06
            style.write(figure, sums_left, top, line, theme, family=style.MONO, fontsize=10)

    _draw_output(figure, output_left, example, subject, theme)
    _write_sum(figure, sums_left, bottom - 0.02, example, subject, theme)
    return figure


def _cell_width(example: WorkedExample) -> float:
    """Return the width of a cell that fits the longest number of the arrays."""
    arrays = example.padded, example.weight, example.output
    texts = [number(float(value)) for array in arrays for value in np.unique(array)]
    return max(CELL, style.width_of("0" * max(map(len, texts)), 9, mono=True) + 0.1)


def _bias(example: WorkedExample, filter: int) -> str:
    return f"bias {number(example.bias[filter])}"


def _product_lines(example: WorkedExample) -> list[list[str]]:
    """Return, per channel, one line per kernel row, the last with the channel's sum."""
    blocks = []
    for window, filter, total in zip(
        example.window, example.filter, example.channel_sums, strict=True
    ):
        lines = [products(x, w) for x, w in zip(window, filter, strict=True)]
        lines = [line + " +" for line in lines[:-1]] + [f"{lines[-1]} = {number(total)}"]
        blocks.append(lines)
    return blocks


def _write_title(figure: Figure, example: WorkedExample, subject: Subject, theme: Theme) -> None:
    problem = example.problem
    title = f"Where does the {number(example.value)} come from?"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    strides = problem.stride[-subject.problem.ndim :]
    steps = "×".join(map(str, strides)) if len(set(strides)) > 1 else strides[0]
    subtitle = f"Multiply each weight by the input element under it and add up. Stride {steps}."
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)


def _draw_input(figure: Figure, example: WorkedExample, subject: Subject, theme: Theme) -> None:
    channels, rows, columns = example.padded.shape
    norm = style.centred_on_zero(example.padded)
    padding = " with its padding" if example.problem.is_padded else ""
    _head(
        figure,
        LEFT,
        subject.input_name,
        f"{channels} × {subject.by((rows, columns))}{padding}",
        theme,
    )
    for channel in range(channels):
        top = TOP + channel * (rows * CELL + ROW_GAP)
        axes = _grid(figure, LEFT, top, _cell_width(example), example.padded[channel], norm, theme)
        _hatch_padding(axes, example, theme)
        if channel in example.channels_of(example.chosen[0]):
            _outline_window(axes, example, theme)
        middle = top + rows * CELL / 2
        label = f"channel {channel}"
        is_tall = rows * CELL >= 0.75
        text, turned = (label, 90) if is_tall else (f"c={channel}", 0)
        style.write(
            figure, LEFT - 0.22, middle, text, theme,
            color=theme.muted, fontsize=9, rotation=turned, ha="center", va="center",
        )  # fmt: skip


def _draw_output(
    figure: Figure, left: float, example: WorkedExample, subject: Subject, theme: Theme
) -> None:
    filters, rows, columns = example.output.shape
    norm = style.centred_on_zero(example.output)
    _head(figure, left, "output", f"{filters} × {subject.by((rows, columns))}", theme)
    for filter in range(filters):
        top = TOP + filter * (rows * CELL + ROW_GAP)
        axes = _grid(figure, left, top, _cell_width(example), example.output[filter], norm, theme)
        if filter == example.chosen[0]:
            style.outline(axes, *example.chosen[1:], 1, 1, theme, 2.6)


def _write_sum(
    figure: Figure,
    left: float,
    top: float,
    example: WorkedExample,
    subject: Subject,
    theme: Theme,
) -> None:
    filter, row, column = example.chosen
    terms = added([*example.channel_sums, float(example.bias[filter])])
    written = f"{subject.element(filter, (row, column))} = {terms} = {number(example.value)}"
    style.write(
        figure, left, top, written, theme, family=style.MONO, fontsize=14, color=theme.accent
    )
    note = "one term per channel, then the bias"
    style.write(figure, left, top + 0.34, note, theme, color=theme.muted, fontsize=9)


def _head(figure: Figure, left: float, name: str, note: str, theme: Theme) -> None:
    style.write(figure, left, TOP - 0.54, name, theme, fontsize=12, weight="bold")
    style.write(figure, left, TOP - 0.28, note, theme, fontsize=9, color=theme.muted)


def _grid(
    figure: Figure,
    left: float,
    top: float,
    wide: float,
    values: Array,
    norm: Normalize,
    theme: Theme,
) -> Axes:
    rows, columns = values.shape
    axes = style.add_axes(figure, left, top, columns * wide, rows * CELL)
    texts = [[number(float(value)) for value in row] for row in values]
    style.draw_cells(axes, values, texts, norm, theme, fontsize=9)
    return axes


def _hatch_padding(axes: Axes, example: WorkedExample, theme: Theme) -> None:
    rows, columns = example.padded.shape[1:]
    (top, bottom), (left, right) = example.problem.padding
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
                alpha=0.75,
            )
        )


def _outline_window(axes: Axes, example: WorkedExample, theme: Theme) -> None:
    """Outline the window; with dilation, outline every cell that is read."""
    rows, columns = example.rows, example.columns
    if set(example.problem.dilation) == {1}:
        style.outline(axes, rows[0], columns[0], len(rows), len(columns), theme, 2.2)
        return
    for row in rows:
        for column in columns:
            style.outline(axes, row, column, 1, 1, theme, 1.6)
