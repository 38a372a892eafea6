"""Both gradients of a convolution, each drawn as a convolution with one output written out.

With several images, channels or filters the first one is drawn. The contribution of the others to
the output written out is one term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Backward
from glassconv.views.figures import padding, pipeline, style
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import factor, number, products

MOST_NUMBERED = 16  # cells per side; larger grids show colours only
CELL = 0.32  # inches, as all lengths here
LEFT, TOP = 0.75, 1.45
GAP = 0.75  # between two grids, with the operator
HEADING = 1.75  # the width of a heading's note
ROW_HEADING = 0.5
LINES = (0.2, 0.5, 0.92, 1.2)  # of the text under the grids: distance from their bottom
UNDER = 2.0  # from the grids to the next row
CHARACTER = 0.086  # width in the sums
NAMES = 1.75  # width of the label before a line
NARROWEST = 7.5  # fits the headings
TERMS = 9  # of a sum that are written out, at most
NONE = ((0, 0), (0, 0))

Index = tuple[int, int]  # (row, column)


@dataclass(frozen=True)
class Grid:
    """An array [rows, columns] on cells, with optional zeros between and around its elements."""

    name: str
    note: str
    values: Array
    spacing: Index = (1, 1)  # cells from one element to the next
    padding: tuple[tuple[int, int], ...] = NONE  # (before, after) per axis
    between: str = ""  # text of the cells between its elements

    @property
    def size(self) -> Index:
        """Return the number of cells, (rows, columns)."""
        high, wide = (
            (count - 1) * step + 1 + sum(around)
            for count, step, around in zip(
                self.values.shape, self.spacing, self.padding, strict=True
            )
        )
        return high, wide

    @property
    def places(self) -> tuple[range, range]:
        """Return the rows and the columns of the cells that hold an element."""
        rows, columns = (
            range(before, before + count * step, step)
            for count, step, (before, _) in zip(
                self.values.shape, self.spacing, self.padding, strict=True
            )
        )
        return rows, columns

    @property
    def cells(self) -> Array:
        """Return the value of each cell, zeros included, shape [*size]."""
        cells = np.zeros(self.size)
        cells[np.ix_(*self.places)] += self.values  # added, because 0 + −0 is 0
        return cells


@dataclass(frozen=True)
class Equation:
    """One gradient: left ∗ kernel = result, and the element that is written out."""

    subject: Subject
    heading: str
    left: Grid
    kernel: Grid
    result: Grid
    chosen: Index  # in the result
    start: Index  # the cell of `left` under the kernel's first cell
    others: str  # the axes summed into the result that are not drawn, or ""
    convolution: str
    product: str

    @property
    def reads(self) -> tuple[list[int], list[int]]:
        """Return the rows and the columns of `left` that the chosen element reads."""
        rows, columns = (
            [start + place for place in places]
            for start, places in zip(self.start, self.kernel.places, strict=True)
        )
        return rows, columns

    @property
    def terms(self) -> tuple[Array, Array]:
        """Return the factors of all products except those with an inserted zero, [term] each."""
        rows, columns = self.reads
        own = [
            [place in places for place in read]
            for read, places in zip((rows, columns), self.left.places, strict=True)
        ]
        real = np.logical_and.outer(*own)
        return self.left.cells[np.ix_(rows, columns)][real], self.kernel.values[real]

    @property
    def sum(self) -> str:
        """Return the chosen element, written as its products."""
        values, weights = self.terms
        value = float(self.result.cells[self.chosen])
        summed = [products(values[:TERMS], weights[:TERMS])] if len(values) else []
        summed += ["…"] if len(values) > TERMS else []
        summed += [factor(value - float(np.sum(values * weights)))] if self.others else []
        place = f"{self.result.name}[0, 0, {self.subject.place(self.chosen)}]"
        return " = ".join([place, *filter(None, [" + ".join(summed)]), number(value)])

    @property
    def note(self) -> str:
        """Return a description of the terms of the sum."""
        count, others = len(self.terms[0]), self.kernel.values.size - len(self.terms[0])
        text = f"{count} product{'s' * (count != 1)} of overlapping elements"
        text += f", the first {TERMS} written out" if count > TERMS else ""
        text += f"; {others} with inserted zeros or padding" if others else ""
        return text + (f"; last, the sum over the {self.others}" if self.others else "")


def draw(report: Backward, subject: Subject, theme: Theme) -> Figure:
    """Draw a row per gradient: of the input, and of the weight."""
    equations = (_of_input(report, subject), _of_weight(report, subject))
    rows = [(each.left, each.kernel, each.result) for each in equations]
    largest = max(max(grid.size) for row in rows for grid in row)
    cell = CELL * min(1, MOST_NUMBERED / largest)
    widths = [[max(HEADING, grid.size[1] * cell) for grid in row] for row in rows]
    heights = [max(grid.size[0] for grid in row) * cell for row in rows]
    sums = max(len(each.sum) for each in equations) * CHARACTER
    ways = max(len(line) for each in equations for line in (each.convolution, each.product))
    written = max(sums, NAMES + ways * CHARACTER, NARROWEST)
    width = LEFT + max(*map(sum, widths), written - 2 * GAP) + 2 * GAP + 0.6
    height = TOP + sum(heights) + len(rows) * (ROW_HEADING + pipeline.HEAD + UNDER) - 0.2
    figure = style.new_figure(width, height, theme)
    _write_title(figure, report.problem, subject, theme)

    top = TOP
    for equation, wide, high in zip(equations, widths, heights, strict=True):
        style.write(figure, LEFT, top, equation.heading, theme, fontsize=13, weight="bold")
        top += ROW_HEADING + pipeline.HEAD
        _draw_equation(figure, top, wide, high, equation, cell, theme)
        _write_under(figure, top + high, equation, theme)
        top += high + UNDER
    return figure


def _of_input(report: Backward, subject: Subject) -> Equation:
    problem = report.problem
    m, n, k = problem.gemm.m, prod(problem.output_size), problem.gemm.k
    copies = problem.copies()
    row, column = _nearest_to_middle(copies == copies.max())
    cut = [  # with more padding than extent − 1, the result is cropped
        max(0, before - axis.extent + 1)
        for (before, _), axis in zip(problem.padding, problem.axes, strict=True)
    ]
    return Equation(
        subject=subject,
        heading="The gradient of the input: zero-inserted grad_output ∗ flipped kernel",
        left=Grid(
            "grad_output",
            _spaced(subject, problem.output_size, "zeros inserted for stride", problem.stride)
            + (", no inserted zeros: stride 1" if set(problem.stride) == {1} else ""),
            report["grad_output"][0, 0],
            _pair(problem.stride),
            report.input_convolution.padding,
            between="0",
        ),
        kernel=Grid(
            "kernel",
            _spaced(subject, problem.kernel_size, "dilation", problem.dilation) + ", flipped",
            report["flipped"][0, 0],
            _pair(problem.dilation),
        ),
        result=Grid("grad_input", subject.by(problem.input_size), report["grad_input"][0, 0]),
        chosen=(row, column),
        start=(row + cut[0], column + cut[1]),
        others=_others("filters", m),
        convolution=_cut(report.input_convolution, problem.input_size),
        product=f"fold(Wᵀ · grad_output): ({k} × {m}) · ({m} × {n}) = ({k} × {n})"
        f"{_each(problem)}, folded to {subject.by(problem.input_size)}",
    )


def _of_weight(report: Backward, subject: Subject) -> Equation:
    problem = report.problem
    m, n, k = problem.gemm.m, prod(problem.output_size), problem.gemm.k
    row, column = (size // 2 for size in problem.kernel_size)
    return Equation(
        subject=subject,
        heading="The gradient of the weight: input ∗ grad_output",
        left=Grid(
            "input",
            subject.by(problem.input_size)
            + (" and its padding" if problem.padding != NONE else ""),
            report["swapped_input"][0, 0],
            padding=problem.padding,
        ),
        kernel=Grid(
            "grad_output",
            _spaced(subject, problem.output_size, "dilation", problem.stride),
            report["kernels"][0, 0],
            _pair(problem.stride),
        ),
        result=Grid("grad_weight", subject.by(problem.kernel_size), report["grad_weight"][0, 0]),
        chosen=(row, column),
        start=(row * problem.dilation[0], column * problem.dilation[1]),
        others=_others("images", problem.batch),
        convolution=_cut(report.weight_convolution, problem.kernel_size),
        product=f"grad_output · columnsᵀ: ({m} × {n}) · ({n} × {k}) = ({m} × {k})"
        f"{_each(problem)}" + (", summed over the batch" if problem.batch > 1 else ""),
    )


def _nearest_to_middle(wanted: Array) -> Index:
    """Return the true element of a boolean array [rows, columns] nearest to its middle."""
    middle = (np.array(wanted.shape) - 1) / 2
    places = np.argwhere(wanted)
    row, column = places[np.argmin(((places - middle) ** 2).sum(1))]
    return int(row), int(column)


def _draw_equation(
    figure: Figure,
    top: float,
    widths: list[float],
    high: float,
    equation: Equation,
    cell: float,
    theme: Theme,
) -> None:
    """Draw the three grids, the operators between them, and the outlines of one element."""
    left, middle = LEFT, top + high / 2
    drawn = []
    for grid, wide in zip((equation.left, equation.kernel, equation.result), widths, strict=True):
        drawn.append(_draw_grid(figure, left, middle - grid.size[0] * cell / 2, grid, cell, theme))
        left += wide + GAP
    for number_, sign in enumerate("∗="):
        place = LEFT + sum(widths[: number_ + 1]) + (number_ + 0.5) * GAP
        pipeline.operator(figure, (place, middle), sign, theme)
    _outline_all(drawn[0], *equation.reads, cell == CELL, theme)
    _outline_all(drawn[1], *equation.kernel.places, cell == CELL, theme)
    style.outline(drawn[2], *equation.chosen, 1, 1, theme, 2.6)


def _draw_grid(
    figure: Figure, left: float, top: float, grid: Grid, cell: float, theme: Theme
) -> Axes:
    pipeline.head(figure, left, top, grid.name, grid.note, theme)
    rows, columns = grid.size
    axes = style.add_axes(figure, left, top, columns * cell, rows * cell)
    norm, cells = style.centred_on_zero(grid.values), grid.cells
    zeros = np.ones(grid.size)
    zeros[np.ix_(*grid.places)] = 0
    if cell == CELL:
        texts = [[number(float(value)) for value in row] for row in cells]
        for row, column in np.argwhere(zeros):
            texts[row][column] = ""
        longest = max(len(text) for row in texts for text in row)
        style.draw_cells(axes, cells, texts, norm, theme, fontsize=min(9, 27 / longest))
        _write_between(axes, grid, theme)
    else:
        style.draw_map(axes, cells, norm, theme, "auto")
    hidden = ListedColormap([theme.background])
    axes.imshow(np.ma.masked_equal(zeros, 0), cmap=hidden, aspect="auto", zorder=0.5)
    padding.hatch(axes, grid.size, grid.padding, theme)
    return axes


def _write_between(axes: Axes, grid: Grid, theme: Theme) -> None:
    """Write the text between the grid's elements, but not in its padding."""
    rows, columns = grid.places
    for row in range(rows[0], rows[-1] + 1):
        for column in range(columns[0], columns[-1] + 1):
            if row not in rows or column not in columns:
                axes.text(column, row, grid.between, ha="center", va="center", fontsize=9,
                          family=style.MONO, color=theme.line)  # fmt: skip


def _outline_all(
    axes: Axes, rows: Sequence[int], columns: Sequence[int], each: bool, theme: Theme
) -> None:
    """Outline a block of cells; with holes and large cells, outline each cell."""
    high, wide = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    if not each or (high, wide) == (len(rows), len(columns)):
        style.outline(axes, rows[0], columns[0], high, wide, theme, 2.2)
        return
    for row in rows:
        for column in columns:
            style.outline(axes, row, column, 1, 1, theme, 1.4)


def _write_title(figure: Figure, problem: ConvProblem, subject: Subject, theme: Theme) -> None:
    title = "Both gradients of a convolution are convolutions"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    counts = [
        ("image", problem.batch),
        ("channel", problem.in_channels),
        ("filter", problem.out_channels),
    ]
    drawn = [f"{name} 0 of {count}" for name, count in counts if count > 1]
    subtitle = str(subject) + (f"; drawn: {', '.join(drawn)}" if drawn else "")
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)


def _write_under(figure: Figure, top: float, equation: Equation, theme: Theme) -> None:
    """Write the sum of the outlined element, and the gradient as convolution and product."""
    sum_, note, convolution, product = (top + line for line in LINES)
    style.write(figure, LEFT, sum_, equation.sum, theme, family=style.MONO, fontsize=10,
                color=theme.accent)  # fmt: skip
    style.write(figure, LEFT, note, equation.note, theme, fontsize=9, color=theme.muted)
    for place, name, text in (
        (convolution, "as a convolution", equation.convolution),
        (product, "as a matrix product", equation.product),
    ):
        style.write(figure, LEFT, place, name, theme, fontsize=9.5, color=theme.muted)
        style.write(figure, LEFT + NAMES, place, text, theme, family=style.MONO, fontsize=9.5)


def _spaced(subject: Subject, size: tuple[int, ...], reason: str, steps: tuple[int, ...]) -> str:
    """Write a size, and the spacing of its elements with its reason if it is not 1."""
    steps = steps[-subject.problem.ndim :]
    if set(steps) == {1}:
        return subject.by(size)
    return f"{subject.by(size)}, {reason} {_by(steps) if len(set(steps)) > 1 else steps[0]}"


def _by(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))


def _pair(steps: tuple[int, ...]) -> Index:
    rows, columns = steps
    return rows, columns


def _others(name: str, count: int) -> str:
    return f"other {count - 1} {name}" if count > 2 else f"other {name[:-1]}" if count > 1 else ""


def _cut(convolution: ConvProblem, size: tuple[int, ...]) -> str:
    """Write a convolution, and the size of its output after cropping if it is cropped."""
    more = "" if convolution.output_size == size else f", of which {_by(size)} are kept"
    return f"{convolution}{more}"


def _each(problem: ConvProblem) -> str:
    return f" in each of {problem.groups} groups" if problem.groups > 1 else ""
