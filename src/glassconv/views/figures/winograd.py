"""One tile of Winograd's convolution, such as 4 × 4 pixels to 2 × 2 outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import pipeline, style
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme

CELL = 0.36  # inches, as all lengths here
CHARACTER = 0.078  # the width of one in a cell
LEFT, TOP = 0.75, 1.95  # TOP: of the first array, below its heading
NAME, NOTE = 0.107, 0.067  # the width of a character of a heading's name, and of its note
GAP = 0.55  # between two columns, where the arrows are
LANES = 0.9  # between the tile and the filter, their heading included
MATRIX_CELL = 0.3
INSETS = (0.06, 0.13, 0.20, 0.27)  # of a cell, so that the outlines of tiles do not overlap

Matrices = Mapping[str, Sequence[Sequence[Fraction]]]  # "Bᵀ", "G" and "Aᵀ" of one axis


@dataclass(frozen=True)
class Tile:
    """The tile that is drawn: its index, and the sizes of all tiles."""

    place: tuple[int, int]  # in tiles from the top left
    elements: tuple[int, int]  # pixels that a tile reads along each axis
    outputs: tuple[int, int]  # outputs of a tile along each axis

    @property
    def read_at(self) -> tuple[int, int]:
        """Return the padded row and column of its first pixel, which its first output has too."""
        row, column = (i * m for i, m in zip(self.place, self.outputs, strict=True))
        return row, column


@dataclass(frozen=True)
class Grid:
    """An array [rows, columns] to be drawn as cells with numbers, and its heading."""

    name: str
    note: str
    values: Array

    @property
    def texts(self) -> list[list[str]]:
        """Return the numbers as text, with up to four digits."""
        rounded = np.round(self.values.astype(np.float64), 4) + 0.0  # no −0
        return [[f"{value:.4g}".replace("-", "−") for value in row] for row in rounded]

    @property
    def cell(self) -> float:
        """Return the width of its cells: that of the longest number, or square."""
        return max(CELL, 0.1 + CHARACTER * max(len(text) for row in self.texts for text in row))

    @property
    def width(self) -> float:
        """Return the width of all its cells."""
        return self.cell * len(self.texts[0])

    @property
    def heading(self) -> float:
        """Return the width of its heading."""
        return max(NAME * len(self.name), NOTE * len(self.note))

    @property
    def height(self) -> float:
        """Return the height of all its cells."""
        return CELL * len(self.values)


def draw(trace: Trace, matrices: Sequence[Matrices], subject: Subject, theme: Theme) -> Figure:
    """Draw the pipeline of one tile, for the first filter and its first channel.

    trace: of a Winograd algorithm. matrices: those of the algorithm for each spatial axis.
    """
    tile = followed(trace)
    columns = _columns(trace, tile, subject)
    lefts = [LEFT]
    for column in columns:
        lefts.append(lefts[-1] + max(max(grid.width, grid.heading) for grid in column) + GAP)
    heights = [sum(grid.height for grid in column) + LANES * (len(column) - 1)
               for column in columns]  # fmt: skip
    body = max(heights)
    matrices = matrices[-subject.problem.ndim :]  # a row has no transform along its height
    strips = list(matrices) if len({_shape(each) for each in matrices}) > 1 else [matrices[0]]
    bottom = TOP + body + 1.15
    strip = max(len(matrix) for each in strips for matrix in each.values()) * MATRIX_CELL + 0.62
    width = max(lefts[-1] - GAP, *(_strip_right(each) for each in strips)) + 0.6
    figure = style.new_figure(width, bottom + strip * len(strips), theme)
    _write_title(figure, trace, tile, subject, theme)

    middle = TOP + body / 2
    ends: list[list[tuple[float, float, float]]] = []  # left, right, middle of every grid
    for left, column, height in zip(lefts, columns, heights, strict=False):
        top = middle - height / 2
        ends.append([])
        for grid in column:
            axes = _draw_grid(figure, left, top, grid, theme)
            _mark(axes, grid, trace, tile, theme)
            ends[-1].append((left, left + grid.width, top + grid.height / 2))
            top += grid.height + LANES
    _draw_arrows(figure, ends, theme)
    _write_count(figure, TOP + body + 0.3, trace, tile, theme)
    for number, each in enumerate(strips):
        along = ("rows", "columns")[number] if len(strips) > 1 else ""
        _draw_matrices(figure, bottom + strip * number, each, along, theme)
    return figure


def followed(trace: Trace) -> Tile:
    """Return a tile near the middle that is whole, if one is."""
    counts, elements = trace["tiles"].shape[2:4], trace["tiles"].shape[4:]
    outputs = trace["output tiles"].shape[4:]
    whole = [size // m for size, m in zip(trace.problem.output_size, outputs, strict=True)]
    middle = [min(count // 2, max(n - 1, 0)) for count, n in zip(counts, whole, strict=True)]
    return Tile((middle[0], middle[1]), (elements[0], elements[1]), (outputs[0], outputs[1]))


def _columns(trace: Trace, tile: Tile, subject: Subject) -> list[list[Grid]]:
    """Return the grids of each column of the figure, from top to bottom."""
    problem = trace.problem
    first = (0, 0, *tile.place)
    channels = problem.weight_shape[1]
    row, column = tile.read_at
    along_rows = subject.problem.ndim > 1
    transformed, filters = ("Bᵀ d B", "G g Gᵀ") if along_rows else ("Bᵀ d", "G g")
    summed = (
        f"⊙, then Σ over {channels} channels" if channels > 1 else f"({transformed}) ⊙ ({filters})"
    )
    read_at = f"row {row}, column {column}" if along_rows else f"place {column}"
    bias = 0.0 if trace.bias is None else float(trace.bias[0])
    placed = "tiles side by side" + (f", plus the bias {bias:g}" if bias else "")
    padded, output = trace["padded"][0, 0], trace.output[0, 0]
    of_input = subject.by(padded.shape)
    of_input += ", with padding" if padded.shape != problem.input_size else ""
    of_input += ", channel 0" if problem.in_channels > 1 else ""
    return [
        [Grid(subject.input_name, of_input, padded)],
        [
            Grid("tile d", f"read at {read_at}", trace["tiles"][first]),
            Grid("filter g", _of_filter(problem, subject), trace.weight[0, 0]),
        ],
        [
            Grid("transformed tile", transformed, trace["transformed input"][first]),
            Grid("transformed filter", filters, trace["transformed filters"][0, 0]),
        ],
        [Grid("products m", summed, trace["products"][first])],
        [
            Grid(
                "outputs of the tile",
                "Aᵀ m A" if along_rows else "Aᵀ m",
                trace["output tiles"][first],
            )
        ],
        [Grid("output", placed, output)],
    ]


def _of_filter(problem: ConvProblem, subject: Subject) -> str:
    parts = [f"filter 0 of {problem.out_channels}"] if problem.out_channels > 1 else []
    parts += ["channel 0"] if problem.weight_shape[1] > 1 else []
    return f"{subject.by(problem.kernel_size)} weights" + "".join(f", {part}" for part in parts)


def _write_title(figure: Figure, trace: Trace, tile: Tile, subject: Subject, theme: Theme) -> None:
    products, outputs = prod(tile.elements), prod(tile.outputs)
    taps = prod(trace.problem.kernel_size)
    title = f"{outputs} outputs for {products} multiplications instead of {outputs * taps}"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    subtitle = (
        f"Winograd’s F({subject.by(tile.outputs)}, {subject.by(trace.problem.kernel_size)}): "
        f"neighbouring windows share pixels, so additions and subtractions can replace products."
    )
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)


def _write_count(figure: Figure, top: float, trace: Trace, tile: Tile, theme: Theme) -> None:
    """Write the number of multiplications for all tiles, channels and filters."""
    problem = trace.problem
    factors = [
        (problem.batch, "images"),
        (prod(trace["tiles"].shape[2:4]), "tiles"),
        (problem.out_channels, "filters"),
        (problem.weight_shape[1], "channels"),
    ]
    counted = [_many(count, name) for count, name in factors if count > 1 or name == "tiles"]
    counted.append(f"{prod(tile.elements)} products")
    total = trace["products"].size * problem.weight_shape[1]
    count = (
        f"In total: {' × '.join(counted)} = {total:,} multiplications; "
        f"the definition takes {problem.macs:,}."
    )
    style.write(figure, LEFT, top, count, theme, fontsize=12, color=theme.accent)
    note = (
        "The transforms are additional: one per tile for all filters, one per filter for all tiles."
    )
    style.write(figure, LEFT, top + 0.3, note, theme, fontsize=9.5, color=theme.muted)


def _draw_grid(figure: Figure, left: float, top: float, grid: Grid, theme: Theme) -> Axes:
    pipeline.head(figure, left, top, grid.name, grid.note, theme)
    axes = style.add_axes(figure, left, top, grid.width, grid.height)
    norm = style.centred_on_zero(grid.values)
    style.draw_cells(axes, grid.values, grid.texts, norm, theme, fontsize=9)
    return axes


def _mark(axes: Axes, grid: Grid, trace: Trace, tile: Tile, theme: Theme) -> None:
    """Outline the tile in the input among all tiles, and its outputs in the output."""
    row, column = tile.read_at
    if grid.name.endswith("input"):
        _hatch_zeros(axes, trace, theme)
        _outline_tiles(axes, trace, tile, theme)
        style.outline(axes, row, column, *tile.elements, theme, 2.4)
    elif grid.name == "output":
        high, wide = (
            min(outputs, size - start)  # the last tile may extend beyond the edge
            for outputs, size, start in zip(
                tile.outputs, grid.values.shape, tile.read_at, strict=True
            )
        )
        style.outline(axes, row, column, high, wide, theme, 2.4)


def _outline_tiles(axes: Axes, trace: Trace, tile: Tile, theme: Theme) -> None:
    rows, columns = trace["tiles"].shape[2:4]
    high, wide = tile.elements
    for row, column in np.ndindex(rows, columns):
        inset = INSETS[row % 2 + 2 * (column % 2)]
        axes.add_patch(
            Rectangle(
                (column * tile.outputs[1] - 0.5 + inset, row * tile.outputs[0] - 0.5 + inset),
                wide - 2 * inset,
                high - 2 * inset,
                fill=False,
                edgecolor=theme.muted,
                linewidth=0.9,
                clip_on=False,
            )
        )


def _hatch_zeros(axes: Axes, trace: Trace, theme: Theme) -> None:
    """Hatch the padding and the zeros that complete the last tiles."""
    rows, columns = trace["padded"].shape[2:]
    (top, left), (height, width) = (
        [before for before, _ in trace.problem.padding],
        trace.problem.input_size,
    )
    bands = [
        (0, 0, top, columns),
        (top + height, 0, rows - top - height, columns),
        (top, 0, height, left),
        (top, left + width, height, columns - left - width),
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


def _draw_arrows(
    figure: Figure, ends: list[list[tuple[float, float, float]]], theme: Theme
) -> None:
    """Draw the arrows between the grids, and the operator between the two transforms."""
    away = 0.1
    [input], (tile, filter), (transformed, filters), [products], [outputs], [output] = ends
    steps = [(input, tile), (tile, transformed), (filter, filters), (products, outputs),
             (outputs, output)]  # fmt: skip
    for (_, right, start), (left, _, end) in steps:
        pipeline.arrow(figure, (right + away, start), (left - away, end), theme)
    meet = (products[0] - 0.36, products[2])
    pipeline.operator(figure, meet, "⊙", theme)
    for (_, right, middle), side in ((transformed, -1), (filters, 1)):
        arrival = (meet[0] - 0.08, meet[1] + side * 0.2)
        pipeline.arrow(figure, (right + away, middle), arrival, theme)


def _draw_matrices(
    figure: Figure, top: float, matrices: Matrices, along: str, theme: Theme
) -> None:
    """Draw Bᵀ, G and Aᵀ of one axis."""
    left = LEFT
    label = f"the matrices, along {along}" if along else "the matrices"
    style.write(figure, left, top, label, theme, fontsize=9.5, color=theme.muted)
    left += MATRICES
    for name, matrix in matrices.items():
        style.write(figure, left, top, name, theme, fontsize=12, weight="bold")
        left += 0.4
        cell = _matrix_cell(matrix)
        axes = style.add_axes(
            figure, left, top - 0.04, cell * len(matrix[0]), MATRIX_CELL * len(matrix)
        )
        values = np.array([[float(entry) for entry in row] for row in matrix])
        texts = [[str(entry).replace("-", "−") for entry in row] for row in matrix]
        style.draw_cells(axes, values, texts, style.centred_on_zero(values), theme, fontsize=8)
        left += cell * len(matrix[0]) + 0.5


MATRICES = 2.1  # width of the label before the matrices


def _matrix_cell(matrix: Sequence[Sequence[Fraction]]) -> float:
    return max(MATRIX_CELL, 0.1 + 0.07 * max(len(str(entry)) for row in matrix for entry in row))


def _strip_right(matrices: Matrices) -> float:
    widths = (_matrix_cell(matrix) * len(matrix[0]) + 0.9 for matrix in matrices.values())
    return LEFT + MATRICES + sum(widths) - 0.5


def _shape(matrices: Matrices) -> tuple[tuple[int, int], ...]:
    return tuple((len(matrix), len(matrix[0])) for matrix in matrices.values())


def _many(count: int, name: str) -> str:
    return f"{count} {name if count > 1 else name.removesuffix('s')}"
