"""One output and what it reads: its window, the kernel, and the sum."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import padding, pipeline, planes, style
from glassconv.views.figures.style import Theme
from glassconv.views.notation import added, number, products

LEFT, TOP = 0.75, 2.0  # inches, as all lengths here
GAP = 0.7  # between two planes, with the operator
HEADING = 2.2  # the width of a heading's note
LINE = 0.28  # from one line of the legend to the next
CHARACTER = 0.086  # width in the sum
NARROWEST = 8.5
MOST_TERMS = 9  # of the sum that are written out

Chosen = tuple[int, int, int]  # (filter, row, column) in the output


def draw(trace: Trace, chosen: Chosen, theme: Theme) -> Figure:
    """Draw what one output reads, from a trace of im2col: one channel of image 0."""
    problem, (filter, row, column) = trace.problem, chosen
    channel = channels_of(problem, filter)[0]
    source = planes.padded(problem, trace.input[0, channel])
    drawn = [
        ("input", ("image 0, " if problem.batch > 1 else "") + planes.extent(problem), source),
        ("kernel", _by(problem.kernel_size), trace.weight[filter, 0]),
        ("output", _by(problem.output_size), trace.output[0, filter]),
    ]
    cells = [planes.cell_size(plane.shape) for *_, plane in drawn]
    widths, heights = (
        [plane.shape[axis] * cell for (*_, plane), cell in zip(drawn, cells, strict=True)]
        for axis in (1, 0)
    )
    columns = [max(wide, HEADING) for wide in widths]
    highest = max(heights)
    legend = _legend(problem, chosen)
    lines = _sum(trace, chosen)
    subtitle = _say_drawn(problem, filter)
    longest = max(len(line) for line in (*lines, subtitle)) * CHARACTER
    figure = style.new_figure(
        LEFT + max(sum(columns) + 2 * GAP, longest, NARROWEST) + 0.6,
        TOP + highest + 0.3 + LINE * len(legend) + 1.5,
        theme,
    )
    title = "One output reads one window"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)

    lefts = [LEFT + sum(columns[:place]) + place * GAP for place in range(3)]
    middle, maps = TOP + highest / 2, []
    for left, (name, note, plane), cell, high in zip(lefts, drawn, cells, heights, strict=True):
        pipeline.head(figure, left, middle - high / 2, name, note, theme)
        norm = style.centred_on_zero(plane)
        maps.append(planes.draw(figure, left, middle - high / 2, plane, norm, theme, cell))
    for left, wide, end, sign in zip(lefts, widths, lefts[1:], "∗=", strict=False):
        pipeline.operator(figure, ((left + wide + end) / 2, middle), sign, theme)

    padding.hatch(maps[0], source.shape, problem.padding, theme)
    planes.dim(maps[0], planes.unread(problem), theme)
    _outline_next(maps[0], problem, chosen, theme)
    planes.outline_window(maps[0], problem, (row, column), cells[0], theme)
    rows, across = problem.kernel_size
    style.outline(maps[1], 0, 0, rows, across, theme, 2.4)
    style.outline(maps[2], row, column, 1, 1, theme, 2.4)
    _write_under(figure, TOP + highest + 0.3, legend, lines, theme)
    return figure


def channels_of(problem: ConvProblem, filter: int) -> range:
    """Return the input channels that a filter reads: those of its group."""
    first = filter // problem.gemm.m * problem.weight_shape[1]
    return range(first, first + problem.weight_shape[1])


def _say_drawn(problem: ConvProblem, filter: int) -> str:
    """Return the number of window positions, and which channel and filter are drawn."""
    text = f"{problem}: the window has {_by(problem.output_size)} positions"
    channels = channels_of(problem, filter)
    if len(channels) > 1:
        read = f"channels {channels[0]}–{channels[-1]} of {problem.in_channels}"
        return f"{text}; filter {filter} reads {read}, drawn: {channels[0]}"
    if problem.in_channels > 1:
        return f"{text}; filter {filter} reads channel {channels[0]} of {problem.in_channels}"
    if problem.out_channels > 1:
        return f"{text}; drawn: filter {filter} of {problem.out_channels}"
    return text


def _outline_next(axes: Axes, problem: ConvProblem, chosen: Chosen, theme: Theme) -> None:
    """Outline the window of the next output in the row with a thin line."""
    _, row, column = chosen
    if column + 1 < problem.output_size[1]:
        rows, columns = planes.window(problem, (row, column + 1))
        high, wide = (axis.extent for axis in problem.axes)
        style.outline(axes, rows[0], columns[0], high, wide, theme, 0.9)


def _legend(problem: ConvProblem, chosen: Chosen) -> list[str]:
    """Return the lines of the legend, the window's first."""
    lines = [f"bold: the window of y[{', '.join(map(str, chosen))}]"]
    if set(problem.dilation) != {1}:
        lines[0] += ", of which only the marked pixels are read"
    if chosen[2] + 1 < problem.output_size[1]:
        lines.append(f"thin: the window of the next output, {problem.stride[1]} to the right")
    unread = planes.say_unread(problem)
    return lines + ([f"dimmed: {unread}"] if unread else [])


def _sum(trace: Trace, chosen: Chosen) -> tuple[str, str, str]:
    """Return the output as a sum, its first terms, and a description of the terms."""
    problem, (filter, row, column) = trace.problem, chosen
    k, taps = problem.taps_per_output, int(np.prod(problem.kernel_size))
    group = filter // problem.gemm.m
    position = row * problem.output_size[1] + column
    pixels: Array = trace["columns"][0, group * k : (group + 1) * k, position]
    weights = trace.weight[filter].ravel()
    total = [float(pixels @ weights)]
    if trace.bias is not None:
        total.append(float(trace.bias[filter]))
    name = f"y[{filter}, {row}, {column}]"
    symbols = "Σ w·x + b" if len(total) > 1 else "Σ w·x"
    middle = f" = {added(total)}" if len(total) > 1 else ""
    written = f"{name} = {symbols}{middle} = {number(float(trace.output[0, filter, row, column]))}"

    shown = min(taps, MOST_TERMS)
    terms = products(weights[:shown], pixels[:shown]) + (" + …" if k > shown else "")
    text = f"{k} product{'s' if k > 1 else ''}: a weight times a pixel for each tap"
    if k > taps:
        text += f" and each of {k // taps} channels"
    text += f"; the first {shown} are written out" if k > shown else ""
    return written, f"Σ w·x = {terms}", text


def _write_under(
    figure: Figure, top: float, legend: list[str], lines: tuple[str, str, str], theme: Theme
) -> None:
    for place, line in enumerate(legend):
        colour = theme.muted if place else theme.accent
        style.write(figure, LEFT, top + place * LINE, line, theme, color=colour, fontsize=9.5)
    top += LINE * len(legend) + 0.28
    total, terms, text = lines
    style.write(figure, LEFT, top, total, theme, color=theme.accent, fontsize=14, family=style.MONO)
    style.write(figure, LEFT, top + 0.4, terms, theme, fontsize=10, family=style.MONO)
    style.write(figure, LEFT, top + 0.68, text, theme, color=theme.muted, fontsize=9)


def _by(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))
