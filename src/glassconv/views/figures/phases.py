"""phases: the taps of each phase, the small convolution by them, and the outputs that it fills."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from glassconv.problem.phases import Phase, phases
from glassconv.problem.size_text import by_x
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import pipeline, planes, style
from glassconv.views.figures.planes import CELL, Cell
from glassconv.views.figures.theme import Theme

LEFT, TOP = 0.75, 2.0  # inches, as all lengths here
GAP = 0.95  # between the input, the phases and the output
BETWEEN, HEAD = 0.5, 0.5  # between two phases, and the heading of each
ARROW = 0.5  # from the taps of a phase to its outputs
NARROWEST_PHASE, NARROWEST_PLANE = 1.35, 1.5  # the widths of the headings
NARROWEST = 10.0
CHARACTER = 0.09
LEGEND = (
    "a colour is a phase: its taps in the kernel, and its outputs",
    "each phase convolves the input with stride 1 by its own taps, flipped; no zero is inserted",
)


def draw(trace: Trace, shown: str, theme: Theme) -> Figure:
    """Draw the input, the kernel, every phase and the output, from a trace of phases.

    Image 0, filter 0 and channel 0 of the kernel are drawn. shown: the problem as it was asked.
    """
    problem = trace.transposed
    assert problem is not None, "phases are of a transposed problem"
    source, kernel, output = trace.input[0, 0], trace.weight[0, 0], trace.output[0, 0]
    every = {phase.first_output: phase for phase in phases(problem)}
    firsts = list(product(*map(range, map(min, problem.stride, problem.output_size))))
    colours = {first: style.group_colour(number) for number, first in enumerate(firsts)}

    wide, high = _panel_size(problem, every)
    turned = problem.stride[0] == 1  # the phases of a sequence are drawn below each other
    down, across = (problem.stride[1], 1) if turned else problem.stride
    phases_left = LEFT + max(CELL * max(source.shape[1], kernel.shape[1]), NARROWEST_PLANE) + GAP
    output_left = phases_left + across * (wide + BETWEEN) - BETWEEN + GAP
    kernel_top = TOP + source.shape[0] * CELL + pipeline.HEAD + 0.4
    bottom = max(
        TOP + down * (high + BETWEEN) - BETWEEN,
        kernel_top + kernel.shape[0] * CELL,
        TOP + output.shape[0] * CELL,
    )
    subtitle = f"{shown}: {_count(every, problem)}"
    width = output_left + max(output.shape[1] * CELL, NARROWEST_PLANE)
    width = max(width, LEFT + CHARACTER * len(subtitle), NARROWEST) + 0.6
    figure = style.new_figure(width, bottom + 1.15, theme)
    title = "A transposed convolution, phase by phase"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)

    pipeline.head(figure, LEFT, TOP, "input", _which(problem), theme)
    planes.draw(figure, LEFT, TOP, source, style.centred_on_zero(source), theme)
    pipeline.head(figure, LEFT, kernel_top, "kernel", "each tap is of one phase", theme)
    norm = style.centred_on_zero(kernel)
    axes = planes.draw(figure, LEFT, kernel_top, kernel, norm, theme)
    for first, phase in every.items():
        _mark(axes, _cells(kernel, phase.taps), colours[first], theme)

    norms = norm, style.centred_on_zero(output)
    for first in firsts:
        row, column = (first[1], 0) if turned else first
        place = phases_left + column * (wide + BETWEEN), TOP + row * (high + BETWEEN)
        name = "phase " + ", ".join(map(str, first[1:] if turned else first))
        style.write(figure, place[0], place[1] - HEAD + 0.02, name, theme, fontsize=10,
                    weight="bold", color=colours[first])  # fmt: skip
        _draw_phase(figure, place, every.get(first), trace, norms, theme)

    note = "the phases, interleaved" + (", plus the bias" if trace.bias is not None else "")
    pipeline.head(figure, output_left, TOP, "output", note, theme)
    axes = planes.draw(figure, output_left, TOP, output, norms[1], theme)
    for first in firsts:
        parts = tuple(
            slice(start, None, step) for start, step in zip(first, problem.stride, strict=True)
        )
        _mark(axes, _cells(output, parts), colours[first], theme)
    middle = TOP + max(source.shape[0] * CELL, 0.5) / 2
    pipeline.operator(figure, (phases_left - GAP / 2, middle), "→", theme)
    pipeline.operator(figure, (output_left - GAP / 2, middle), "→", theme)
    for line, text in enumerate(LEGEND):
        top = bottom + 0.42 + line * 0.25
        style.write(figure, LEFT, top, text, theme, color=theme.muted, fontsize=9.5)
    return figure


def _draw_phase(
    figure: Figure,
    place: tuple[float, float],
    phase: Phase | None,
    trace: Trace,
    norms: tuple[Normalize, Normalize],
    theme: Theme,
) -> None:
    """Draw the taps of one phase, flipped, and its outputs."""
    left, top = place
    if phase is None:
        style.write(figure, left, top - HEAD + 0.24, "no tap, so no product", theme, fontsize=8.5,
                    color=theme.muted)  # fmt: skip
        return
    taps = trace.weight[0, 0][phase.taps][::-1, ::-1]
    note = f"{taps.size} tap{'s' * (taps.size > 1)}"
    style.write(figure, left, top - HEAD + 0.24, note, theme, fontsize=8.5, color=theme.muted)
    planes.draw(figure, left, top, taps, norms[0], theme)
    result = trace[f"phase {by_x(phase.first_output)}"][0, 0]
    start = left + taps.shape[1] * CELL
    pipeline.arrow(
        figure, (start + 0.08, top + CELL / 2), (start + ARROW - 0.08, top + CELL / 2), theme
    )
    planes.draw(figure, start + ARROW, top, result, norms[1], theme)


def _panel_size(
    problem: TransposedProblem, every: dict[tuple[int, ...], Phase]
) -> tuple[float, float]:
    """Return the width and the height of the largest phase, its heading included."""
    wide, high = NARROWEST_PHASE, CELL
    for phase in every.values():
        taps, size = phase.convolution.kernel_size, phase.convolution.output_size
        wide = max(wide, (taps[1] + size[1]) * CELL + ARROW)
        high = max(high, max(taps[0], size[0]) * CELL)
    return wide, high + HEAD - 0.25


def _cells(plane: Array, parts: tuple[slice, ...]) -> list[Cell]:
    """Return the (row, column) of each cell in a part of a plane."""
    inside = np.zeros(plane.shape, dtype=bool)
    inside[parts] = True
    return [(int(row), int(column)) for row, column in np.argwhere(inside)]


def _mark(axes: Axes, cells: list[Cell], colour: str, theme: Theme) -> None:
    planes.mark(axes, cells, theme, 1.8, colour, inset=0.07)


def _which(problem: TransposedProblem) -> str:
    which = f"channel 0 of {problem.in_channels}" if problem.in_channels > 1 else "1 channel"
    return ("image 0, " if problem.batch > 1 else "") + which


def _count(every: dict[tuple[int, ...], Phase], problem: TransposedProblem) -> str:
    """Return how many phases there are, and how many taps they have."""
    number = prod(problem.stride)
    taps = prod(problem.kernel_size)
    return (
        f"{number} phase{'s' * (number > 1)} share the {taps} tap{'s' * (taps > 1)} of the kernel"
    )
