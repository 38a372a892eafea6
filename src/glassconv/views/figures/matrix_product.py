"""The convolution as a matrix product: rows of filters times columns of windows."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import style
from glassconv.views.figures.style import Theme
from glassconv.views.notation import added, number

LEFT, TOP = 0.75, 1.75  # inches, as all lengths here
SIDE = 3.6  # the input, and the width of the weight matrix below it
WIDE = 8.6  # the im2col matrix, and the width of the output below it
GAP = 0.75
ROW = 0.26
MOST_NUMBERS = 24  # columns; beyond, a matrix is drawn in colours alone
TERMS = 5
CELL_WIDTH, CELL_HEIGHT = 0.72, 0.32


def draw(trace: Trace, theme: Theme) -> Figure:
    """Draw the im2col steps of the first image and group, with one output outlined in all.

    The output lies to the right of the weight and below the windows, so that each of its cells is
    in the row of a filter and the column of a window.
    """
    problem = trace.problem
    m, k = problem.gemm.m, problem.gemm.k
    rows = trace["rows"][0]
    columns = trace["columns"][0, :k]
    outputs = trace["product"][0, :m]
    height_below = min(max(m * ROW, 0.9), 2.6)
    bottom = TOP + SIDE + GAP
    figure = style.new_figure(LEFT + SIDE + GAP + WIDE + 0.6, bottom + height_below + 2.15, theme)
    filter, position = _chosen(outputs)

    axes = style.add_axes(figure, LEFT, TOP, SIDE, SIDE)
    _draw_input(axes, trace, position, theme)
    right = LEFT + SIDE + GAP
    windows = style.add_axes(figure, right, TOP, WIDE, SIDE)
    _draw_matrix(windows, columns, theme)
    style.outline(windows, 0, position, k, 1, theme, 1.6)
    weights = style.add_axes(figure, LEFT, bottom, SIDE, height_below)
    _draw_matrix(weights, rows, theme)
    style.outline(weights, filter, 0, 1, k, theme, 2.2)
    output = style.add_axes(figure, right, bottom, WIDE, height_below)
    _draw_matrix(output, outputs, theme)
    style.outline(output, filter, position, 1, 1, theme, 2.2)

    _write_labels(figure, trace, right, bottom, theme)
    _draw_sum(
        figure, bottom + height_below + 0.45, trace, (filter, position), (rows, columns), theme
    )
    return figure


def _chosen(outputs: Array) -> tuple[int, int]:
    """Return (filter, position) of the output with the largest magnitude."""
    filter, position = np.unravel_index(int(np.abs(outputs).argmax()), outputs.shape)
    return int(filter), int(position)


def _draw_input(axes: Axes, trace: Trace, position: int, theme: Theme) -> None:
    """Draw the padded input's mean over channels, and the window at a position."""
    problem = trace.problem
    plane = trace["padded"][0, : problem.weight_shape[1]].mean(axis=0)
    style.draw_map(axes, plane, style.centred_on_zero(plane), theme, "equal")
    starts = np.unravel_index(position, problem.output_size)
    row, column = (int(i) * s for i, s in zip(starts, problem.stride, strict=True))
    rows, columns = problem.receptive_field
    style.outline(axes, row, column, rows, columns, theme, 2.2)


def _draw_matrix(axes: Axes, values: Array, theme: Theme) -> None:
    norm: Normalize = style.centred_on_zero(values)
    if max(values.shape) > MOST_NUMBERS:
        style.draw_map(axes, values, norm, theme, "auto")
        return
    texts = [[f"{value:.2f}".replace("-", "−") for value in row] for row in values]
    style.draw_cells(axes, values, texts, norm, theme, fontsize=7)


def _write_labels(figure: Figure, trace: Trace, right: float, bottom: float, theme: Theme) -> None:
    problem = trace.problem
    m, n, k = problem.gemm.m, problem.gemm.n, problem.gemm.k
    kernel = "·".join(map(str, problem.weight_shape[1:]))
    places = "·".join(map(str, problem.output_size))
    title = f"A convolution is a matrix product: ({m} × {k}) · ({k} × {n})"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    copies = int(problem.copies().max())
    subtitle = f"{m * n * k:,} multiply-adds"
    subtitle += f" in each of {problem.groups} groups. " if problem.groups > 1 else ". "
    subtitle += (
        f"Windows overlap, so im2col copies a pixel up to {copies} times: "
        if copies > 1
        else "Windows do not overlap, so im2col copies no pixel twice: "
    )
    subtitle += f"its matrix is {problem.expansion:.1f} × the input."
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)
    padded = "×".join(str(axis.padded_size) for axis in problem.axes)
    heads = [
        (LEFT, TOP, "input", f"{problem.in_channels}×{padded}, the mean of its channels"),
        (right, TOP, "im2col matrix", f"{k} × {n}: a window per column, {k} = {kernel}"),
        (LEFT, bottom, "weight", f"{m} × {k}: a filter per row"),
        (right, bottom, "output", f"{m} × {n}: {n} = {places} positions"),
    ]
    for left, top, name, note in heads:
        style.write(figure, left, top - 0.32, name, theme, fontsize=12, weight="bold")
        style.write(
            figure, left + 0.1 * len(name) + 0.25, top - 0.29, note, theme,
            fontsize=9.5, color=theme.muted,
        )  # fmt: skip


def _draw_sum(
    figure: Figure,
    top: float,
    trace: Trace,
    chosen: tuple[int, int],
    matrices: tuple[Array, Array],
    theme: Theme,
) -> None:
    """Draw the largest products of the chosen output in cells, and write the sum of all."""
    filter, position = chosen
    row, column = matrices[0][filter].astype(np.float64), matrices[1][:, position]
    terms = row * column
    largest = np.argsort(-np.abs(terms))[:TERMS]
    others = len(terms) - len(largest)
    added_up = [*terms[largest]]
    parts = [f"the {len(largest)} largest of {len(terms)} products"]
    if others:
        added_up.append(terms.sum() - terms[largest].sum())
        parts.append(f"the sum of the other {others}")
    if trace.bias is not None:
        added_up.append(float(trace.bias[filter]))
        parts.append("the bias")

    place = ", ".join(str(i) for i in np.unravel_index(position, trace.problem.output_size))
    value = number(float(trace["product"][0, filter, position]))
    style.write(
        figure, LEFT, top, f"y[{filter}, {place}] = {value}", theme,
        fontsize=14, family=style.MONO, color=theme.accent,
    )  # fmt: skip
    written = added(float(number_) for number_ in added_up)
    style.write(figure, LEFT, top + 0.42, f"= {written}", theme, fontsize=10, family=style.MONO)
    style.write(
        figure, LEFT, top + 0.74, ", then ".join(parts), theme, color=theme.muted, fontsize=9.5
    )

    cells = np.stack([row[largest], column[largest], terms[largest]])
    left = LEFT + SIDE + GAP + WIDE - len(largest) * CELL_WIDTH
    axes = style.add_axes(figure, left, top, len(largest) * CELL_WIDTH, 3 * CELL_HEIGHT)
    texts = [[number(float(value)) for value in line] for line in cells]
    style.draw_cells(axes, cells, texts, style.centred_on_zero(cells), theme, fontsize=8.5)
    for line, name in enumerate(("weight", "pixel", "product")):
        middle = top + (line + 0.5) * CELL_HEIGHT
        style.write(
            figure, left - 0.12, middle, name, theme,
            ha="right", va="center", fontsize=9.5, color=theme.muted,
        )  # fmt: skip
