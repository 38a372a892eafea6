"""The parts of an animation that stay: the convolution above, the matrix product under it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke

from glassconv.reports.array import Array
from glassconv.views.figures import padding, pipeline, planes, style
from glassconv.views.figures.planes import Cell
from glassconv.views.figures.slide import INSERTED, PADDING, Slide, headings, legend_of
from glassconv.views.figures.theme import Theme

DOTS_PER_INCH = 100
WIDTH = 12.8  # inches, as all lengths here: 1280 pixels
LEFT, TOP = 0.5, 1.58
USABLE = WIDTH - 2 * LEFT
GAP = 0.7  # between two arrays, with the operator
CELL, SMALLEST = 0.44, 0.22  # a cell with a number: at most, and at least
PLANES = 1.95  # the height of the planes, unless their numbers would not fit
CHANNEL_GAP, CAPTION = 0.14, 0.28  # between channels; a channel's name above its plane
MATRIX = 2.65  # the height of the matrix, unless its numbers would not fit
HIGHEST = 6.0  # planes or matrix
MATRIX_GAP = 0.95  # under the planes, the matrix's heading included
THICKEST = 0.12  # a row of tiny cells
INDENT = 0.45  # of the matrix under the weight row, with the operator
SUM, LINE = 0.32, 0.27  # from the matrix to the sum, from one line of it to the next
LEGEND_LINE, SWATCH = 0.3, 0.2
NOTE = 0.072  # the width of a character of a note, and of the legend
GRIDDED = 0.06  # the smallest empty cell with a line around it
PARTED, HATCHED = 0.1, 0.2  # the smallest with a line around its colour; with its hatching
LARGEST_FONT, LEGIBLE = 11.0, 7.5  # points: below, a number is left out


@dataclass(frozen=True)
class Scene:
    """The static part of the figure, and the axes of its arrays. Cells are sizes in inches."""

    slide: Slide
    theme: Theme
    figure: Figure
    sources: list[Axes]  # a plane of the input per channel
    kernels: list[Axes]
    output: Axes
    cell: float  # of these planes
    weights: Axes  # the kernel as a row
    weight_cell: float
    matrix: Axes
    product: Axes  # the output as a row
    matrix_cell: float
    sum_top: float


@dataclass(frozen=True)
class Product:
    """Where the matrix product is drawn: the top left corner of each array, and cell sizes."""

    weights: tuple[float, float]
    matrix: tuple[float, float]
    output: tuple[float, float]
    signs: tuple[tuple[float, float], tuple[float, float]]
    cell: float  # of the matrix and the output, its width
    high: float  # the height of a row of the matrix
    weight_cell: float
    row: float  # the height of the output row
    bottom: float


def stage(slide: Slide, theme: Theme, sum_lines: int) -> Scene:
    """Return the figure without the parts that change between frames.

    sum_lines: the lines of text under the matrix product.
    """
    notes, count = headings(slide), len(slide.channels)
    shapes = (slide.kinds.shape, slide.problem.kernel_size, slide.size)
    cell = _plane_cell(slide, notes)
    sizes = [_block(slide, shape, cell, each) for shape, each in _blocks(shapes, count)]
    widths = [
        max(wide, len(notes[name]) * NOTE)
        for (wide, _), name in zip(sizes, ("input", "kernel", "output"), strict=True)
    ]
    lefts = [LEFT + sum(widths[:place]) + place * GAP for place in range(3)]
    caption = CAPTION * (count > 1)
    tall = max(high for _, high in sizes)
    place = _place_product(slide, notes, TOP + tall + MATRIX_GAP)
    numbered = cell >= SMALLEST and all(
        fontsize(values, each)
        for values, each in ((slide.columns, place.cell), (slide.output, cell))
    )
    legend = _lay_out(legend_of(slide, numbered))
    sum_top = place.bottom + SUM
    legend_top = sum_top + 0.42 + LINE * (sum_lines - 1) + 0.14
    height = legend_top + (1 + max(line for _, line, *_ in legend)) * LEGEND_LINE + 0.12
    even = 2 * round(height * DOTS_PER_INCH / 2) / DOTS_PER_INCH  # pixels, as a film needs
    figure = style.new_figure(WIDTH, even, theme)
    figure.set_dpi(DOTS_PER_INCH)

    style.write(figure, LEFT, 0.26, slide.title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.64, slide.subtitle, theme, color=theme.muted)
    for left, name in zip(lefts, ("input", "kernel", "output"), strict=True):
        pipeline.head(figure, left, TOP, name, notes[name], theme)
    sources, kernels = (
        _corners(slide, (left, TOP), shape, cell)
        for left, shape in zip(lefts, shapes[:2], strict=False)
    )
    scene = Scene(
        slide,
        theme,
        figure,
        [_draw_source(figure, slide, c, at, cell, theme) for c, at in enumerate(sources)],
        [_draw_kernel(figure, slide, c, at, cell, theme) for c, at in enumerate(kernels)],
        _empty(figure, (lefts[2], TOP + caption), slide.size, (cell, cell), theme),
        cell,
        _draw_weights(figure, slide, place, theme),
        place.weight_cell,
        _empty(figure, place.matrix, slide.columns.shape, (place.high, place.cell), theme),
        _empty(figure, place.output, (1, slide.output.size), (place.row, place.cell), theme),
        place.cell,
        sum_top,
    )
    if caption:
        for channel, at in [*enumerate(sources), *enumerate(kernels)]:
            _caption(figure, at, channel, (shapes[0][1] if at in sources else shapes[1][1]) * cell,
                     theme)  # fmt: skip
    middle = TOP + caption + min(shapes[1][0], slide.size[0]) * cell / 2
    for (wide, _), left, after, sign in zip(sizes, lefts, lefts[1:], "∗=", strict=False):
        pipeline.operator(figure, ((left + wide + after) / 2, middle), sign, theme)
    for name, corner in (
        ("weight row", place.weights),
        ("im2col matrix", place.matrix),
        ("output row", place.output),
    ):
        pipeline.head(figure, *corner, name, notes[name], theme)
    for at, sign in zip(place.signs, "×=", strict=True):
        pipeline.operator(figure, at, sign, theme)
    _draw_legend(figure, legend_top, legend, theme)
    return scene


def fontsize(values: Array, cell: float) -> float:
    """Return the font size at which every number fits its cell, or 0 if it is not legible."""
    longest = max(len(planes.brief(float(value))) for value in np.unique(values))
    points = cell * 72
    fitting = min(LARGEST_FONT, points * 0.6, points / (0.6 * longest + 0.8))
    return fitting if fitting >= LEGIBLE else 0.0


def halo(kind: int, theme: Theme) -> list[AbstractPathEffect]:
    """Return an outline that keeps a number readable on a hatched cell."""
    return [withStroke(linewidth=3, foreground=theme.background)] if kind else []


def draw_zeros(axes: Axes, kinds: Array, corner: Cell, theme: Theme) -> Iterator[Artist]:
    """Hatch the cells of padding and of inserted zeros with different patterns; yield them."""
    for row, column in np.argwhere(kinds):
        place = (corner[1] + int(column), corner[0] + int(row))
        yield axes.add_patch(_hatched_cell(place, int(kinds[row, column]), theme))


def _blocks(shapes: Sequence[tuple[int, ...]], channels: int) -> list[tuple[tuple[int, ...], int]]:
    """Return the shape and the number of the planes of input, kernel and output."""
    source, kernel, output = shapes
    return [(source, channels), (kernel, channels), (output, 1)]


def _block(slide: Slide, shape: tuple[int, ...], cell: float, count: int) -> tuple[float, float]:
    """Return the width and height of some planes: side by side, those of sequences stacked."""
    caption = CAPTION * (len(slide.channels) > 1)
    wide, high = shape[1] * cell, shape[0] * cell
    if slide.ndim == 1:
        return wide, count * (high + caption)
    return count * wide + (count - 1) * CHANNEL_GAP, high + caption


def _plane_cell(slide: Slide, notes: dict[str, str]) -> float:
    """Return the largest size of a cell at which all planes fit their part of the figure."""
    shapes = (slide.kinds.shape, slide.problem.kernel_size, slide.size)
    blocks = _blocks(shapes, len(slide.channels))
    most_rows = max(shape[0] * (count if slide.ndim == 1 else 1) for shape, count in blocks)
    cell = min(CELL, min(HIGHEST, max(PLANES, most_rows * SMALLEST)) / most_rows)
    names = ("input", "kernel", "output")
    while True:
        cell = int(cell * DOTS_PER_INCH) / DOTS_PER_INCH if cell >= 0.05 else cell
        wide = [
            max(_block(slide, shape, cell, count)[0], len(notes[name]) * NOTE)
            for (shape, count), name in zip(blocks, names, strict=True)
        ]
        if sum(wide) + 2 * GAP <= USABLE or cell < 0.02:
            return cell
        cell *= 0.97


def _corners(
    slide: Slide, place: tuple[float, float], shape: tuple[int, ...], cell: float
) -> list[tuple[float, float]]:
    """Return the top left corner of each channel's plane."""
    left, top = place
    caption = CAPTION * (len(slide.channels) > 1)
    if slide.ndim == 1:
        return [(left, top + caption + c * (shape[0] * cell + caption)) for c in slide.channels]
    return [(left + c * (shape[1] * cell + CHANNEL_GAP), top + caption) for c in slide.channels]


def _place_product(slide: Slide, notes: dict[str, str], top: float) -> Product:
    """Return where weight row, matrix and output row are drawn.

    They are side by side if their numbers fit, and otherwise one under the other.
    """
    k, outputs = slide.columns.shape
    highest = min(HIGHEST, max(MATRIX, k * SMALLEST))
    names = ("weight row", "im2col matrix", "output row")
    cell = min(CELL, highest / k)
    while cell >= SMALLEST:
        cell = int(cell * DOTS_PER_INCH + 1e-6) / DOTS_PER_INCH
        wide = [
            max(count * cell, len(notes[name]) * NOTE)
            for count, name in zip((k, outputs, outputs), names, strict=True)
        ]
        if sum(wide) + 2 * GAP <= USABLE:
            return _side_by_side(slide, wide, cell, top)
        cell -= 0.01
    weight_cell = min(0.34, USABLE / k)
    cell = min(0.34, (USABLE - INDENT) / outputs, highest / k)
    cell = int(cell * DOTS_PER_INCH) / DOTS_PER_INCH  # whole pixels: all as wide
    high = max(cell, min(THICKEST, highest / k))
    row = max(cell, 0.2)
    matrix = (LEFT + INDENT, top + weight_cell + pipeline.HEAD + 0.15)
    output = (matrix[0], matrix[1] + k * high + pipeline.HEAD + 0.15)
    signs = ((LEFT + 0.12, matrix[1] + k * high / 2), (LEFT + 0.12, output[1] + row / 2))
    bottom = output[1] + row
    return Product((LEFT, top), matrix, output, signs, cell, high, weight_cell, row, bottom)


def _side_by_side(slide: Slide, wide: list[float], cell: float, top: float) -> Product:
    k, outputs = slide.columns.shape
    middle = top + (k - 1) * cell / 2  # of a row
    lefts = [LEFT, LEFT + wide[0] + GAP, LEFT + sum(wide[:2]) + 2 * GAP]
    ends = [lefts[0] + k * cell, lefts[1] + outputs * cell]
    signs = [
        ((end + left) / 2, middle + cell / 2) for end, left in zip(ends, lefts[1:], strict=True)
    ]
    return Product(
        (lefts[0], middle),
        (lefts[1], top),
        (lefts[2], middle),
        (signs[0], signs[1]),
        cell,
        cell,
        cell,
        cell,
        top + k * cell,
    )


def _draw_source(
    figure: Figure,
    slide: Slide,
    channel: int,
    place: tuple[float, float],
    cell: float,
    theme: Theme,
) -> Axes:
    """Draw a channel of the padded input, zeros hatched, cells that no window reads dimmed."""
    source = planes.padded(slide.problem, slide.trace.input[0, channel])
    norm = style.centred_on_zero(slide.trace.input)
    axes = _plane(figure, place, source, cell, norm, theme)
    padding.hatch(axes, source.shape, slide.problem.padding, theme)
    list(draw_zeros(axes, np.where(slide.kinds == INSERTED, INSERTED, 0), (0, 0), theme))
    for text in axes.texts:
        column, row = map(int, text.get_position())
        text.set_path_effects(halo(slide.kinds[row, column], theme))
    planes.dim(axes, ((int(row), int(column)) for row, column in slide.unread()), theme)
    return axes


def _draw_kernel(
    figure: Figure,
    slide: Slide,
    channel: int,
    place: tuple[float, float],
    cell: float,
    theme: Theme,
) -> Axes:
    norm = style.centred_on_zero(slide.trace.weight[0])
    return _plane(figure, place, slide.trace.weight[0, channel], cell, norm, theme)


def _draw_weights(figure: Figure, slide: Slide, place: Product, theme: Theme) -> Axes:
    weights = slide.trace.weight[0].reshape(1, -1)
    norm = style.centred_on_zero(weights)
    return _plane(figure, place.weights, weights, place.weight_cell, norm, theme)


def _plane(
    figure: Figure,
    place: tuple[float, float],
    values: Array,
    cell: float,
    norm: Any,
    theme: Theme,
) -> Axes:
    """Draw values as cells, with numbers if they fit."""
    rows, columns = values.shape
    axes = style.add_axes(figure, *place, columns * cell, rows * cell)
    size = fontsize(values, cell)
    if not size:
        style.draw_map(axes, values, norm, theme, "auto")
        return axes
    texts = [[planes.brief(float(value)) for value in row] for row in values]
    style.draw_cells(axes, values, texts, norm, theme, size)
    return axes


def _empty(
    figure: Figure,
    place: tuple[float, float],
    shape: tuple[int, ...],
    cell: tuple[float, float],
    theme: Theme,
) -> Axes:
    """Return axes of empty cells, each (height, width) in size."""
    (rows, columns), (high, wide) = shape, cell
    axes = style.add_axes(figure, *place, columns * wide, rows * high)
    planes.draw_nothing(axes, rows, columns, theme)
    if wide < GRIDDED:
        for line in list(axes.lines):
            line.remove()
    return axes


def _caption(
    figure: Figure, corner: tuple[float, float], channel: int, wide: float, theme: Theme
) -> None:
    """Write a channel's name above its plane, or its number if the plane is narrow."""
    text = f"channel {channel}" if wide >= 0.72 else f"c{channel}"
    if wide >= 0.2:
        style.write(figure, corner[0], corner[1] - 0.06, text, theme, fontsize=8.5,
                    color=theme.muted, va="bottom")  # fmt: skip


def _lay_out(entries: list[tuple[str, str]]) -> list[tuple[float, int, str, str]]:
    """Return each entry of the legend with its left edge and line."""
    left, line, laid = 0.0, 0, []
    for swatch, text in entries:
        wide = (1.5 * SWATCH if swatch else 0) + len(text) * NOTE + 0.3
        if left and left + wide > USABLE:
            left, line = 0.0, line + 1
        laid.append((left, line, swatch, text))
        left += wide
    return laid


def _draw_legend(
    figure: Figure, top: float, entries: list[tuple[float, int, str, str]], theme: Theme
) -> None:
    for left, line, swatch, text in entries:
        at = LEFT + left, top + line * LEGEND_LINE
        if swatch:
            axes = style.add_axes(figure, *at, SWATCH, SWATCH)
            axes.set_xlim(-0.5, 0.5)
            axes.set_ylim(0.5, -0.5)
            axes.add_patch(_swatch(swatch, theme))
        beside = at[0] + (1.5 * SWATCH if swatch else 0), at[1] + SWATCH / 2
        style.write(figure, *beside, text, theme, fontsize=9.5, color=theme.muted, va="center")


def _swatch(name: str, theme: Theme) -> Rectangle:
    """Return the sample cell of a legend entry."""
    if name in ("padding", "inserted"):
        return _hatched_cell((0, 0), PADDING if name == "padding" else INSERTED, theme)
    faces = {
        "negative": theme.diverging[0],
        "positive": theme.diverging[-1],
        "unread": to_rgba(theme.diverging[-2], 1 - planes.DIMMED),
    }
    outlined = name == "outlined"
    return Rectangle((-0.5, -0.5), 1, 1, facecolor=faces.get(name, theme.background), linewidth=2.4,
                     edgecolor=theme.accent if outlined else theme.background)  # fmt: skip


def _hatched_cell(place: tuple[float, float], kind: int, theme: Theme) -> Rectangle:
    """Return a cell around a place (across, down), hatched for its kind of zero."""
    inserted = kind == INSERTED
    left, top = place[0] - 0.5, place[1] - 0.5
    return Rectangle((left, top), 1, 1, facecolor=theme.background, linewidth=0,
                     edgecolor=theme.muted if inserted else theme.line,
                     hatch="..." if inserted else "////")  # fmt: skip
