"""kn2row: the input multiplied by each tap, and the sum of the shifted results."""

from __future__ import annotations

from math import prod

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from glassconv.problem import ConvProblem
from glassconv.problem.axis import PADDING
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import pipeline, planes, style
from glassconv.views.figures.planes import Cell
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import added, number

LEFT, TOP = 0.75, 2.0  # inches, as all lengths here
GAP = 0.9
BETWEEN, HEAD = 0.4, 0.45  # between two taps' planes, and the heading of each
SMALL = 0.26  # a cell of a tap's plane
HEADING, TAPS_HEADING, TAP_HEADING = 1.6, 3.0, 1.0  # the widths of the notes
CHARACTER = 0.09  # width in the sum
NARROWEST = 9.0
LINE = 0.25  # from one line of the legend to the next
MOST_TERMS = 9  # of the sum that are written out

Place = tuple[float, float]  # from the figure's left and top


def draw(trace: Trace, chosen: Cell, subject: Subject, theme: Theme) -> Figure:
    """Draw the input, the kernel, a plane for each tap, and their sum, from a trace of kn2row.

    Filter 0 and image 0 are drawn; the planes of the taps are summed over channels. chosen: (row,
    column) of the output that is written out.
    """
    problem = trace.problem
    source, kernel, output = trace.input[0, 0], trace.weight[0, 0], trace.output[0, 0]
    mixed = trace["mixed"][0, 0, :, 0]  # [taps, height, width]
    # The taps of a sequence are drawn below each other, so that their shifts are seen.
    turned = subject.problem.ndim == 1
    tap_rows, tap_columns = problem.kernel_size[::-1] if turned else problem.kernel_size
    rows, columns = problem.input_size

    taps_left = (
        LEFT + planes.CELL * max(columns, problem.kernel_size[1], HEADING / planes.CELL) + GAP
    )
    step_across = max(columns * SMALL, TAP_HEADING) + BETWEEN
    step_down = HEAD + rows * SMALL + BETWEEN
    output_left = taps_left + max(tap_columns * step_across - BETWEEN, TAPS_HEADING) + GAP
    kernel_top = TOP + rows * planes.CELL + pipeline.HEAD + 0.35
    bottom = max(
        TOP + tap_rows * step_down - BETWEEN,
        kernel_top + problem.kernel_size[0] * planes.CELL,
        TOP + output.shape[0] * planes.CELL,
    )
    total, terms = _sum(trace, chosen, subject)
    legend = [
        f"outlined: {terms}",
        "arrows: the shift of a plane before it is added",
        "dimmed: not added to any output",
    ]
    width = output_left + max(output.shape[1] * planes.CELL, HEADING)
    subtitle = _say_taps(problem, subject)
    longest = max(len(total), len(subtitle)) * CHARACTER
    width = max(width, LEFT + longest, NARROWEST) + 0.6
    figure = style.new_figure(width, bottom + 0.95 + LINE * len(legend), theme)
    title = "Multiply the whole input by each tap, shift, add"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)

    which = f"channel 0 of {problem.in_channels}" if problem.in_channels > 1 else "1 channel"
    which = ("image 0, " if problem.batch > 1 else "") + which
    pipeline.head(figure, LEFT, TOP, subject.input_name, which, theme)
    planes.draw(figure, LEFT, TOP, source, style.centred_on_zero(source), theme)
    channels = problem.weight_shape[1]
    which = "filter 0" + (f", channel 0 of {channels}" if channels > 1 else "")
    pipeline.head(figure, LEFT, kernel_top, subject.kernel_name, which, theme)
    planes.draw(figure, LEFT, kernel_top, kernel, style.centred_on_zero(kernel), theme)

    note = "weight × input" + (f", summed over {channels} channels" if channels > 1 else "")
    pipeline.head(figure, taps_left, TOP, "one plane per tap of the kernel", note, theme)
    norm = style.centred_on_zero(mixed)
    for (u, v), plane in zip(problem.taps(), mixed, strict=True):
        down, across = (v, u) if turned else (u, v)
        place = taps_left + across * step_across, TOP + HEAD + down * step_down
        tap_name = f"tap {subject.place((u, v))}"
        _draw_tap(figure, place, tap_name, problem, (u, v), plane, chosen, norm, theme)

    note = "their sum" + (", plus the bias" if trace.bias is not None else "")
    pipeline.head(figure, output_left, TOP, "output", note, theme)
    norm = style.centred_on_zero(output)
    axes = planes.draw(figure, output_left, TOP, output, norm, theme)
    style.outline(axes, *chosen, 1, 1, theme, 2.4)
    middle = TOP + max(rows * planes.CELL, 0.5) / 2
    pipeline.operator(figure, (taps_left - GAP / 2, middle), "→", theme)
    pipeline.operator(figure, (output_left - GAP / 2, middle), "=", theme)

    style.write(figure, LEFT, bottom + 0.4, total, theme, color=theme.accent, fontsize=11,
                family=style.MONO)  # fmt: skip
    for line, text in enumerate(legend):
        top = bottom + 0.75 + line * LINE
        style.write(figure, LEFT, top, text, theme, color=theme.muted, fontsize=9.5)
    return figure


def shift_of(problem: ConvProblem, tap: Cell) -> Cell:
    """Return the shift (down, across) of a tap's plane before it is added.

    >>> from glassconv import parse
    >>> shift_of(parse("1x6x6 1@3x3 p1"), (0, 2))
    (1, -1)
    """
    down, across = (
        axis.padding[0] - index * axis.dilation
        for index, axis in zip(tap, problem.axes, strict=True)
    )
    return down, across


def say_shift(problem: ConvProblem, tap: Cell) -> str:
    """Return the shift as arrows.

    >>> from glassconv import parse
    >>> [say_shift(parse("1x6x6 1@3x3 p1"), tap) for tap in [(0, 0), (1, 1), (1, 2)]]
    ['↓1 →1', 'stays', '←1']
    """
    down, across = shift_of(problem, tap)
    arrows = [("↑" if down < 0 else "↓", down), ("←" if across < 0 else "→", across)]
    return " ".join(f"{arrow}{abs(count)}" for arrow, count in arrows if count) or "stays"


def _say_taps(problem: ConvProblem, subject: Subject) -> str:
    """Return the number of planes, and which elements are dropped."""
    taps = prod(problem.kernel_size)
    count = "1 tap, so 1 plane" if taps == 1 else f"{taps} taps, so {taps} planes"
    text = f"{subject}: {count}; elements outside the output are dropped"
    return text + (", and those skipped by the stride" if max(problem.stride) > 1 else "")


def _draw_tap(
    figure: Figure,
    place: Place,
    name: str,
    problem: ConvProblem,
    tap: Cell,
    plane: Array,
    chosen: Cell,
    norm: Normalize,
    theme: Theme,
) -> None:
    """Draw the plane of one tap, dimmed where no output reads it, with its shift above it."""
    left, top = place
    style.write(figure, left, top - 0.36, name, theme, fontsize=8.5, family=style.MONO)
    shift = say_shift(problem, tap)
    style.write(
        figure, left, top - 0.19, shift, theme, fontsize=8.5, family=style.MONO, color=theme.muted
    )
    axes = planes.draw(figure, left, top, plane, norm, theme, SMALL)
    _, reads = problem.tap_slices(tap)
    unread = np.ones(plane.shape, dtype=bool)
    unread[reads] = False
    planes.dim(axes, ((int(row), int(column)) for row, column in np.argwhere(unread)), theme)
    pixel = _pixel(problem, tap, chosen)
    if pixel is not None:
        planes.mark(axes, [pixel], theme, 2.0)


def _pixel(problem: ConvProblem, tap: Cell, chosen: Cell) -> Cell | None:
    """Return the pixel that a tap adds to an output, or None for padding."""
    row, column = (
        int(axis.tap_map()[place, index])
        for axis, place, index in zip(problem.axes, chosen, tap, strict=True)
    )
    return None if PADDING in (row, column) else (row, column)


def _sum(trace: Trace, chosen: Cell, subject: Subject) -> tuple[str, str]:
    """Return the output as a sum of its terms, and a description of the terms."""
    problem, (row, column) = trace.problem, chosen
    terms = []
    for (u, v), plane in zip(problem.taps(), trace["mixed"][0, 0, :, 0], strict=True):
        pixel = _pixel(problem, (u, v), chosen)
        if pixel is not None:
            terms.append(float(plane[pixel]))
    count = "1 element" if len(terms) == 1 else f"{len(terms)} elements"
    name = subject.element(0, chosen)
    note = f"the {count} added to {name}"
    shown = terms
    if len(terms) > MOST_TERMS:
        shown = [*terms[:MOST_TERMS], sum(terms[MOST_TERMS:])]
        note += f"; the last {len(terms) - MOST_TERMS} are one term"
    if trace.bias is not None:
        shown = [*shown, float(trace.bias[0])]
        note += ", then the bias"
    value = number(float(trace.output[0, 0, row, column]))
    return f"{name} = {added(shown) or 0} = {value}", note
