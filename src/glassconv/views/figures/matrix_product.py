"""The convolution as a matrix product: weight × windows = output, and one output written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import padding, pipeline, planes, style
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import added, number

LEFT, TOP = 0.6, 1.95  # inches, as all lengths here
WIDEST, TALLEST = 11.2, 3.6  # of the arrays of the equation together, and of the highest
NARROWEST = 10.0
SIGN = 0.62  # between two arrays, where the operator is
SHALLOWEST = 0.3  # a matrix of one row
INPUT = 3.4  # the longer side of the input
GAP = 0.7  # from the input to the sum
TERMS = 12  # that are written out; of longer sums the first ones
SMALLEST, LARGEST = 8.0, 10.0  # points: numbers in cells
SUM = 11.0  # points: the sum

Chosen = tuple[int, int]  # (filter, position) of the output that is written out


@dataclass(frozen=True)
class Matrix:
    """An array [rows, columns] of the equation, with its heading."""

    name: str
    note: str
    values: Array
    high: float
    wide: float

    @property
    def width(self) -> float:
        """Return the width that it needs with its heading."""
        return max(self.wide, pipeline.width_of_head(self.name, self.note))


def draw(trace: Trace, subject: Subject, theme: Theme) -> Figure:
    """Draw weight × im2col matrix (+ bias) = output, of the first image and group, from im2col.

    Below it: the input with the window of one output, and that output as a sum of products.
    """
    problem = trace.problem
    matrices = _matrices(trace, subject)
    signs = ["×", "=" if trace.bias is None else "+", "="]
    source = planes.padded(problem, trace.input[0, 0])
    side = min(planes.CELL, INPUT / max(source.shape))
    outputs = trace["product"][0, : problem.gemm.m]
    filter, position = np.unravel_index(int(np.abs(outputs).argmax()), outputs.shape)
    chosen = int(filter), int(position)

    input_note = _drawn_input(problem, subject)
    input_width = max(
        source.shape[1] * side, pipeline.width_of_head(subject.input_name, input_note)
    )
    sum_left = LEFT + input_width + GAP
    table = _table(trace, chosen)
    total = sum(each.width for each in matrices) + SIGN * (len(matrices) - 1)
    title = "A convolution is a matrix product"
    subtitle = _subtitle(problem, subject)
    width = LEFT + max(total, input_width + GAP + max(table.wide, 5.5), NARROWEST) + LEFT
    lines = style.wrap(
        _written_sum(trace, subject, chosen), SUM, width - LEFT - sum_left, mono=True
    )
    note = style.wrap(_note(trace), 10, width - LEFT - sum_left)
    subtitles = style.wrap(subtitle, 11, width - 2 * LEFT)
    top = TOP + 0.24 * (len(subtitles) - 1)
    tallest = max(each.high for each in matrices)
    below = top + tallest + 1.05
    sum_height = table.high + 0.3 + 0.25 * len(lines) + 0.22 * len(note)
    height = below + max(source.shape[0] * side, sum_height) + 0.45
    figure = style.new_figure(width, height, theme)
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    for line, text in enumerate(subtitles):
        style.write(figure, LEFT, 0.8 + 0.24 * line, text, theme, color=theme.muted)

    left, axes = LEFT, []
    for place, each in enumerate(matrices):
        at = top + (tallest - each.high) / 2
        pipeline.head(figure, left, at, each.name, each.note, theme)
        axes.append(_draw_matrix(figure, left, at, each, theme))
        if place < len(matrices) - 1:
            sign_at = (left + each.wide + left + each.width + SIGN) / 2, top + tallest / 2
            pipeline.operator(figure, sign_at, signs[place], theme)
        left += each.width + SIGN
    _outline(axes, problem, chosen, theme)

    pipeline.head(figure, LEFT, below, subject.input_name, input_note, theme)
    _draw_input(figure, below, trace, source, side, position=chosen[1], theme=theme)
    name = f"one output: {subject.element(chosen[0], _place(problem, chosen[1]))}"
    pipeline.head(
        figure, sum_left, below, name, "a row of the weight times a column of windows", theme
    )
    _draw_table(figure, sum_left, below, table, theme)
    at = below + table.high + 0.22
    for text in lines:
        style.write(
            figure, sum_left, at, text, theme, fontsize=SUM, family=style.MONO, color=theme.accent
        )
        at += 0.25
    for text in note:
        style.write(figure, sum_left, at + 0.06, text, theme, fontsize=10, color=theme.muted)
        at += 0.22
    return figure


# -- the equation -----------------------------------------------------------------------------


def _matrices(trace: Trace, subject: Subject) -> list[Matrix]:
    """Return weight, im2col matrix, bias if there is one, and output, each with its size."""
    problem = trace.problem
    m, k = problem.gemm.m, problem.gemm.k
    group = f" of group 0 of {problem.groups}" if problem.groups > 1 else ""
    columns, outputs = trace["columns"][0, :k], trace["product"][0, :m]
    parts = [
        (f"weight{group}", "a filter per row", trace["rows"][0]),
        ("im2col matrix", "a window per column", columns),
        ("output", "a position per column", outputs),
    ]
    if trace.bias is not None:
        parts.insert(2, ("bias", "per filter", trace.bias[:m, None]))
    widths = [values.shape[1] * _cell(values) for *_, values in parts]
    room = _shared(widths, WIDEST - SIGN * (len(parts) - 1))
    found = []
    for (name, note, values), wide in zip(parts, room, strict=True):
        rows, across = values.shape
        high = min(rows * planes.CELL, TALLEST if rows == k else TALLEST * 0.8)
        found.append(
            Matrix(name, f"{rows} × {across}, {note}", values, max(high, SHALLOWEST), wide)
        )
    return found


def _shared(widths: Sequence[float], room: float) -> list[float]:
    """Return the widths, the widest reduced to one limit so that all fit the room.

    >>> _shared([1.0, 9.0, 5.0], 7.0)
    [1.0, 3.0, 3.0]
    """
    limit, left = room, sorted(widths)
    while left:
        limit = room / len(left)
        if left[0] > limit:
            break
        room -= left.pop(0)
        limit = float("inf")
    return [min(width, limit) for width in widths]


def _cell(values: Array) -> float:
    """Return the width of a cell that fits the longest number of an array."""
    return max(planes.CELL, style.width_of("0" * _longest(values), 9, mono=True) + 0.12)


def _longest(values: Array) -> int:
    return max((len(planes.brief(float(value))) for value in np.unique(values)), default=1)


def _draw_matrix(figure: Figure, left: float, top: float, matrix: Matrix, theme: Theme) -> Axes:
    """Draw the array, with numbers where they fit its cells."""
    values = matrix.values
    axes = style.add_axes(figure, left, top, matrix.wide, matrix.high)
    norm = style.centred_on_zero(values)
    high, wide = matrix.high / values.shape[0], matrix.wide / values.shape[1]
    fontsize = style.fitting(_longest(values), high, wide, LARGEST)
    if fontsize < SMALLEST:
        style.draw_map(axes, values, norm, theme, "auto")
    else:
        texts = [[planes.brief(float(value)) for value in row] for row in values]
        style.draw_cells(axes, values, texts, norm, theme, fontsize)
    return axes


def _outline(axes: Sequence[Axes], problem: ConvProblem, chosen: Chosen, theme: Theme) -> None:
    """Outline a row of the weight, a column of the matrix, and the output that they give."""
    filter, position = chosen
    k = problem.gemm.k
    style.outline(axes[0], filter, 0, 1, k, theme, 2.2)
    style.outline(axes[1], 0, position, k, 1, theme, 2.2)
    if len(axes) > 3:
        style.outline(axes[2], filter, 0, 1, 1, theme, 2.2)
    style.outline(axes[-1], filter, position, 1, 1, theme, 2.2)


# -- the input ----------------------------------------------------------------------------------


def _drawn_input(problem: ConvProblem, subject: Subject) -> str:
    sizes = subject.by([axis.padded_size for axis in problem.axes])
    parts = [sizes + (" with padding" if problem.is_padded else "")]
    parts += [f"channel 0 of {problem.in_channels}"] if problem.in_channels > 1 else []
    parts += [f"image 0 of {problem.batch}"] if problem.batch > 1 else []
    return ", ".join(parts)


def _draw_input(
    figure: Figure,
    top: float,
    trace: Trace,
    source: Array,
    cell: float,
    *,
    position: int,
    theme: Theme,
) -> None:
    norm = style.centred_on_zero(source)
    axes = planes.draw(figure, LEFT, top, source, norm, theme, cell)
    padding.hatch(axes, source.shape, trace.problem.padding, theme)
    place = _place(trace.problem, position)
    planes.outline_window(axes, trace.problem, place, cell, theme)


def _place(problem: ConvProblem, position: int) -> planes.Cell:
    row, column = divmod(position, problem.output_size[1])
    return row, column


# -- the sum ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """The first products of the chosen output: weight, pixel and product of each [3, terms]."""

    values: Array
    others: int  # products that are not drawn
    cell: float  # width

    @property
    def high(self) -> float:
        """Return its height."""
        return 3 * 0.34

    @property
    def wide(self) -> float:
        """Return its width with the names of the rows."""
        columns: int = self.values.shape[1]
        return NAMES + self.cell * columns + (0.35 if self.others else 0)


NAMES = 0.95


def _terms(trace: Trace, chosen: Chosen) -> tuple[Array, Array]:
    """Return the weights and the pixels of the chosen output."""
    filter, position = chosen
    k = trace.problem.gemm.k
    weights: Array = trace["rows"][0, filter].astype(np.float64)
    pixels: Array = trace["columns"][0, :k, position].astype(np.float64)
    return weights, pixels


def _table(trace: Trace, chosen: Chosen) -> Table:
    weights, pixels = _terms(trace, chosen)
    shown = len(weights) if len(weights) <= TERMS else TERMS - 2
    values = np.stack([weights, pixels, weights * pixels + 0.0])[:, :shown]  # −0 becomes 0
    return Table(values, len(weights) - shown, max(0.5, _cell(values)))


def _draw_table(figure: Figure, left: float, top: float, table: Table, theme: Theme) -> None:
    values, count = table.values, table.values.shape[1]
    axes = style.add_axes(figure, left + NAMES, top, count * table.cell, table.high)
    texts = [[planes.brief(float(value)) for value in row] for row in values]
    fontsize = style.fitting(_longest(values), table.high / 3, table.cell, LARGEST)
    style.draw_cells(axes, values, texts, style.centred_on_zero(values), theme, fontsize)
    for line, name in enumerate(("weight", "× pixel", "= product")):
        middle = top + (line + 0.5) * table.high / 3
        style.write(figure, left + NAMES - 0.1, middle, name, theme, ha="right", va="center",
                    fontsize=10, color=theme.muted)  # fmt: skip
    if table.others:
        style.write(figure, left + NAMES + count * table.cell + 0.12, top + table.high / 2, "…",
                    theme, va="center", fontsize=14, color=theme.muted)  # fmt: skip


def _written_sum(trace: Trace, subject: Subject, chosen: Chosen) -> str:
    """Return the chosen output as the sum of its products and its bias."""
    filter, position = chosen
    weights, pixels = _terms(trace, chosen)
    table = _table(trace, chosen)
    parts = [*table.values[2]]
    if table.others:
        parts.append(float((weights * pixels)[len(parts) :].sum()))
    text = added(float(each) for each in parts)
    if trace.bias is not None:
        bias = float(trace.bias[filter])
        text += f" {'−' if bias < 0 else '+'} {number(abs(bias))}"
    value = number(float(trace["product"][0, filter, position]))
    return f"{subject.element(filter, _place(trace.problem, position))} = {text} = {value}"


def _note(trace: Trace) -> str:
    k = trace.problem.gemm.k
    text = "1 product" if k == 1 else f"all {k} products"
    if k > TERMS:
        shown = TERMS - 2
        text = f"the first {shown} of {k} products, then the sum of the other {k - shown}"
    return text + (", then the bias" if trace.bias is not None else "")


def _subtitle(problem: ConvProblem, subject: Subject) -> str:
    gemm, ndim = problem.gemm, subject.problem.ndim
    channels, places = problem.weight_shape[1], "·".join(map(str, problem.output_size[-ndim:]))
    taps = "·".join(map(str, (channels, *problem.kernel_size[-ndim:])))
    m, n, k = gemm.m, gemm.n // problem.batch, gemm.k
    text = f"{subject}: ({m} × {k}) · ({k} × {n}), where {k} = {taps}"
    text += f" and {n} = {places}" if ndim > 1 else ""
    text += f": {m * n * k:,} multiply-adds"
    if problem.groups > 1:
        read = f"{_span('filter', m)}, {_span('channel', channels)}"
        text += f" in each of {problem.groups} groups. Group 0 is drawn: {read}"
    copies = int(problem.copies().max())
    text += ". " + (
        f"Windows overlap, so a pixel is copied up to {copies} times: "
        if copies > 1
        else "Windows do not overlap, so no pixel is copied twice: "
    )
    return text + f"the matrix is {problem.expansion:.3g} × the input."


def _span(name: str, count: int) -> str:
    return f"{name} 0" if count == 1 else f"{name}s 0 to {count - 1}"
