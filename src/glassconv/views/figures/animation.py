"""An animation of im2col: the window moves, its column and its output are drawn."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke
from PIL import Image

from glassconv.errors import UnsupportedError
from glassconv.reports.array import Array
from glassconv.views.figures import padding, pipeline, planes, style
from glassconv.views.figures.planes import Cell
from glassconv.views.figures.slide import INSERTED, PADDING, Slide, headings, legend_of, shown
from glassconv.views.figures.style import Theme
from glassconv.views.notation import added, factor, number, size

FORMATS = ("gif", "png", "apng")
DOTS_PER_INCH = 100
MILLISECONDS, LAST_MILLISECONDS = 320, 2400  # a frame's time, and the last one's
MOST_BYTES = 2_000_000  # of a file
COLOURS = (128, 64, 32)  # in the palette; the next is used if the file is too large

LEFT, TOP = 0.6, 1.75  # inches, as all lengths here
GAP = 0.7  # between two planes, with the operator
NOTE = 0.067  # the width of a character of a heading's note, and of the legend
MATRIX_GAP = 1.05  # under the planes, the matrix's heading included
LONGEST, HIGHEST = 11.0, 5.5  # the matrix
THICKEST = 0.12  # a row of tiny cells
UNDER = 1.15  # the sum, under the matrix
LINE, SWATCH = 0.3, 0.2  # of the legend
NARROWEST = 8.4
GRIDDED = 0.06  # the smallest empty cell with a line around it
LARGEST_FONT, LEGIBLE = 9.0, 7.0  # points: below, a number is left out
MOST_TERMS = 8
PARTED, HATCHED = 0.1, 0.2  # the smallest with a line around its colour; with its hatching


@dataclass(frozen=True)
class Scene:
    """The static part of the figure, and the axes of its arrays."""

    slide: Slide
    theme: Theme
    figure: Figure
    source: Axes
    matrix: Axes
    output: Axes
    cell: float  # of the input, in inches
    matrix_cell: float
    output_cell: float
    bottom: float  # of the matrix


def frames(slide: Slide, theme: Theme) -> Iterator[Image.Image]:
    """Yield a frame for each shown output of filter 0, and the matrix full at the last."""
    scene = _scene(slide, theme)
    canvas = FigureCanvasAgg(scene.figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    still = canvas.copy_from_bbox(scene.figure.bbox)  # type: ignore[no-untyped-call]
    start = 0
    for place in shown(slide.output.size, slide.size[1]):
        canvas.restore_region(still)  # type: ignore[no-untyped-call]
        _draw(scene.figure, _appear(scene, range(start, place + 1)))
        start = place + 1
        still = canvas.copy_from_bbox(scene.figure.bbox)  # type: ignore[no-untyped-call]
        _draw(scene.figure, chain(_outlines(scene, place), _sum(scene, place)))
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        yield Image.fromarray(pixels).convert("RGB")


def to_bytes(drawn: Sequence[Image.Image], format: str) -> bytes:
    """Return an animation that repeats forever, as the content of a GIF or an animated PNG.

    Raises `UnsupportedError` if it takes more than `MOST_BYTES` with the smallest palette.
    """
    for colours in COLOURS:
        content = _encode(list(_in_palette(drawn, colours)), format)
        if len(content) <= MOST_BYTES:
            return content
    raise UnsupportedError(
        f"the animation would take {size(len(content))}, more than the limit of "
        f"{size(MOST_BYTES)}: animate a smaller input, or fewer channels",
        request=f"{len(drawn)} frames of {drawn[0].width} × {drawn[0].height} as .{format}",
    )


def _encode(drawn: list[Image.Image], format: str) -> bytes:
    buffer = io.BytesIO()
    drawn[0].save(
        buffer,
        format="gif" if format == "gif" else "png",
        save_all=True,
        append_images=drawn[1:],
        duration=[MILLISECONDS] * (len(drawn) - 1) + [LAST_MILLISECONDS],
        loop=0,
        optimize=True,  # of a GIF's later frames, only the pixels that changed
    )
    return buffer.getvalue()


def _in_palette(drawn: Sequence[Image.Image], colours: int) -> Iterator[Image.Image]:
    """Yield the frames in the last one's most frequent colours, each pixel in the nearest."""
    every, counts = np.unique(_packed(drawn[-1]), return_counts=True)
    palette = _unpacked(every[np.argsort(-counts, kind="stable")[:colours]])
    nearest = np.zeros(1 << 24, np.uint8)  # of each colour, by its 24 bits
    known = np.zeros(1 << 24, bool)
    for frame in drawn:
        packed = _packed(frame)
        fresh = np.unique(packed[~known[packed]])
        distances = ((_unpacked(fresh)[:, None] - palette) ** 2).sum(2)
        nearest[fresh], known[fresh] = distances.argmin(1), True
        indexed = Image.fromarray(nearest[packed])
        indexed.putpalette(palette.astype(np.uint8).tobytes())
        yield indexed


def _packed(frame: Image.Image) -> Array:
    """Return a frame's colours [height, width], a number of 24 bits each."""
    red, green, blue = np.asarray(frame).astype(np.int32).transpose(2, 0, 1)
    packed: Array = red << 16 | green << 8 | blue
    return packed


def _unpacked(packed: Array) -> Array:
    """Return red, green and blue of packed colours, along a new last axis."""
    parts: Array = packed[..., None] >> np.array([16, 8, 0]) & 255
    return parts


def _scene(slide: Slide, theme: Theme) -> Scene:
    """Return the figure without the parts that change between frames."""
    problem, (k, outputs) = slide.problem, slide.columns.shape
    source, kernel = planes.padded(problem, slide.trace.input[0, 0]), slide.trace.weight[0, 0]
    shapes = (source.shape, kernel.shape, slide.size)
    input_cell, kernel_cell, output_cell = map(planes.cell_size, shapes)
    input_cell = output_cell = min(input_cell, output_cell)
    cells = (input_cell, kernel_cell, output_cell)
    matrix_cell = min(planes.CELL, LONGEST / outputs, HIGHEST / k)
    matrix_cell = int(matrix_cell * DOTS_PER_INCH) / DOTS_PER_INCH  # whole pixels: all as wide

    *heads, matrix_heading = headings(slide)
    wide = [shape[1] * cell for shape, cell in zip(shapes, cells, strict=True)]
    taken = [max(each, len(note) * NOTE) for each, (_, note) in zip(wide, heads, strict=True)]
    lefts = [LEFT + sum(taken[:place]) + place * GAP for place in range(3)]
    tall = max(shape[0] * cell for shape, cell in zip(shapes, cells, strict=True))
    matrix_top = TOP + tall + MATRIX_GAP
    high = max(matrix_cell, min(THICKEST, HIGHEST / k))  # of a row: a strip, where cells are tiny
    bottom = matrix_top + k * high
    width = LEFT + max(
        lefts[2] + taken[2] - LEFT, outputs * matrix_cell, len(slide.subtitle) * 0.088, NARROWEST
    )
    numbered = input_cell >= planes.NUMBERED and all(
        _fontsize(values, cell)
        for values, cell in ((slide.columns, matrix_cell), (slide.output, output_cell))
    )
    legend = _lay_out(legend_of(slide, numbered), width - LEFT)
    lines = 1 + max(line for _, line, *_ in legend)
    figure = style.new_figure(width + LEFT, bottom + UNDER + lines * LINE + 0.2, theme)
    figure.set_dpi(DOTS_PER_INCH)

    style.write(figure, LEFT, 0.3, slide.title, theme, fontsize=17, weight="bold")
    style.write(figure, LEFT, 0.7, slide.subtitle, theme, color=theme.muted)
    for left, (name, note) in zip(lefts, heads, strict=True):
        pipeline.head(figure, left, TOP, name, note, theme)
    for place, sign in enumerate("∗="):
        middle = (lefts[place] + wide[place] + lefts[place + 1]) / 2
        at = TOP + kernel.shape[0] * kernel_cell / 2
        pipeline.operator(figure, (middle, at), sign, theme)

    norm = style.centred_on_zero(slide.trace.input)
    axes = planes.draw(figure, LEFT, TOP, source, norm, theme, input_cell)
    padding.hatch(axes, source.shape, problem.padding, theme)
    list(_draw_zeros(axes, np.where(slide.kinds == INSERTED, INSERTED, 0), (0, 0), theme))
    for text in axes.texts:
        column, row = map(int, text.get_position())
        text.set_path_effects(_halo(slide.kinds[row, column], theme))
    planes.dim(axes, ((int(row), int(column)) for row, column in slide.unread()), theme)
    norm = style.centred_on_zero(kernel)
    planes.draw(figure, lefts[1], TOP, kernel, norm, theme, kernel_cell)
    output = _empty(figure, (lefts[2], TOP), slide.size, (output_cell, output_cell), theme)
    pipeline.head(figure, LEFT, matrix_top, *matrix_heading, theme)
    matrix = _empty(figure, (LEFT, matrix_top), (k, outputs), (high, matrix_cell), theme)
    _draw_legend(figure, bottom + UNDER, legend, theme)
    return Scene(
        slide, theme, figure, axes, matrix, output, input_cell, matrix_cell, output_cell, bottom
    )


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


def _fontsize(values: Array, cell: float) -> float:
    """Return the font size at which every number fits its cell, or 0 if it is not legible."""
    longest = max(len(planes.brief(float(value))) for value in np.unique(values))
    points = cell * 72
    fitting = min(LARGEST_FONT, points * 0.6, points / (0.6 * longest + 0.8))
    return fitting if fitting >= LEGIBLE else 0.0


def _draw(figure: Figure, artists: Iterable[Artist]) -> None:
    """Draw the artists of one frame over the figure, and remove them from it."""
    for artist in list(artists):
        figure.draw_artist(artist)
        artist.remove()


def _appear(scene: Scene, places: range) -> Iterator[Artist]:
    """Yield the cells of some outputs and of their columns, with zeros hatched."""
    slide, theme, matrix_cell, cell = scene.slide, scene.theme, scene.matrix_cell, scene.output_cell
    kinds = np.column_stack([slide.column_kinds(place) for place in places])
    norm = style.centred_on_zero(slide.trace.input)  # as in the input
    corner = (0, places[0])
    yield from _cells(scene.matrix, slide.columns, corner, kinds, matrix_cell, norm, theme)
    norm, nothing = style.centred_on_zero(slide.output), np.zeros((1, 1))
    for place in places:
        position = divmod(place, slide.size[1])
        yield from _cells(scene.output, slide.output, position, nothing, cell, norm, theme)


def _cells(
    axes: Axes,
    values: Array,
    corner: Cell,
    kinds: Array,
    cell: float,
    norm: Normalize,
    theme: Theme,
) -> Iterator[Artist]:
    """Yield a block of the values' cells, of the shape of `kinds`, with numbers if they fit."""
    top, left = corner
    rows, columns = kinds.shape
    edges = left - 0.5, left + columns - 0.5, top + rows - 0.5, top - 0.5
    block = values[top : top + rows, left : left + columns]
    limits = axes.get_xlim(), axes.get_ylim()
    yield axes.imshow(block, cmap=theme.diverging_map, norm=norm, extent=edges, aspect="auto",
                      interpolation="nearest")  # fmt: skip
    hatched = kinds * (cell >= HATCHED)
    yield from _draw_zeros(axes, hatched, corner, theme)
    if cell >= PARTED:
        lines: dict[str, Any] = {"color": theme.background, "linewidth": 1.2, "clip_on": False}
        yield axes.hlines(np.arange(rows + 1) + edges[3], *edges[:2], **lines)
        yield axes.vlines(np.arange(columns + 1) + edges[0], *edges[2:], **lines)
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    fontsize = _fontsize(values, cell)
    for row, column in product(range(rows), range(columns)) if fontsize else ():
        value = float(block[row, column])
        colour = style.readable_on(theme.diverging_map(norm(value)))
        halo = _halo(hatched[row, column], theme)
        yield axes.text(left + column, top + row, planes.brief(value), color=colour, ha="center",
                        va="center", fontsize=fontsize, family=style.MONO,
                        path_effects=halo)  # fmt: skip


def _draw_zeros(axes: Axes, kinds: Array, corner: Cell, theme: Theme) -> Iterator[Artist]:
    """Hatch the cells of padding and of inserted zeros with different patterns; yield them."""
    for row, column in np.argwhere(kinds):
        place = (corner[1] + int(column), corner[0] + int(row))
        yield axes.add_patch(_hatched_cell(place, int(kinds[row, column]), theme))


def _halo(kind: int, theme: Theme) -> list[AbstractPathEffect]:
    """Return an outline that keeps a number readable on a hatched cell."""
    return [withStroke(linewidth=3, foreground=theme.background)] if kind else []


def _hatched_cell(place: tuple[float, float], kind: int, theme: Theme) -> Rectangle:
    """Return a cell around a place (across, down), hatched for its kind of zero."""
    inserted = kind == INSERTED
    left, top = place[0] - 0.5, place[1] - 0.5
    return Rectangle((left, top), 1, 1, facecolor=theme.background, linewidth=0,
                     edgecolor=theme.muted if inserted else theme.line,
                     hatch="..." if inserted else "////")  # fmt: skip


def _outlines(scene: Scene, place: int) -> Iterator[Artist]:
    """Yield the window, its column and its output, outlined."""
    slide, theme = scene.slide, scene.theme
    axes = (scene.source, scene.matrix, scene.output)
    before = [len(each.patches) for each in axes]
    planes.outline_window(scene.source, slide.problem, slide.position(place), scene.cell, theme)
    style.outline(scene.matrix, 0, place, len(slide.columns), 1, theme, 2.4)
    style.outline(scene.output, *divmod(place, slide.size[1]), 1, 1, theme, 2.4)
    drawn = (list(each.patches)[number:] for each, number in zip(axes, before, strict=True))
    return chain.from_iterable(drawn)


def _sum(scene: Scene, place: int) -> Iterator[Artist]:
    """Yield the output as a sum, with the largest products first and a count of zero products."""
    slide, theme = scene.slide, scene.theme
    trace, column = slide.trace, slide.columns[:, place]
    weights = trace.weight[0].ravel()
    products = weights * column
    order = np.argsort(-np.abs(products), kind="stable")[: np.count_nonzero(products)]
    terms = [f"{factor(float(weights[i]))}·{factor(float(column[i]))}" for i in order[:MOST_TERMS]]
    terms += ["…"] if len(order) > MOST_TERMS else []
    zeros = len(products) - len(order)
    aside = f"    {zeros} of {len(products)} products are 0" if zeros else ""
    bias = [] if trace.bias is None else [float(trace.bias[0])]
    index = (0, *divmod(place, slide.size[1])[2 - slide.ndim :])
    value = number(float(slide.output.flat[place]))
    total = [added([float(products.sum()), *bias])] if bias else []
    lines = (
        (" = ".join([f"y[{', '.join(map(str, index))}]", *total, value]), 13, theme.accent),
        (f"Σ w·x = {' + '.join(terms) or '0'}{aside}", 9.5, theme.ink),
    )
    for line, (text, fontsize, colour) in enumerate(lines):
        top = scene.bottom + 0.3 + 0.36 * line
        style.write(scene.figure, LEFT, top, text, theme, fontsize=fontsize, color=colour,
                    family=style.MONO)  # fmt: skip
        yield scene.figure.texts[-1]


def _lay_out(entries: list[tuple[str, str]], width: float) -> list[tuple[float, int, str, str]]:
    """Return each entry of the legend with its left edge and line, for lines of that width."""
    left, line, laid = 0.0, 0, []
    for swatch, text in entries:
        wide = (1.5 * SWATCH if swatch else 0) + len(text) * NOTE + 0.3
        if left and left + wide > width:
            left, line = 0.0, line + 1
        laid.append((left, line, swatch, text))
        left += wide
    return laid


def _draw_legend(
    figure: Figure, top: float, entries: list[tuple[float, int, str, str]], theme: Theme
) -> None:
    for left, line, swatch, text in entries:
        at = LEFT + left, top + line * LINE
        if swatch:
            axes = style.add_axes(figure, *at, SWATCH, SWATCH)
            axes.set_xlim(-0.5, 0.5)
            axes.set_ylim(0.5, -0.5)
            axes.add_patch(_swatch(swatch, theme))
        beside = at[0] + (1.5 * SWATCH if swatch else 0), at[1] + SWATCH / 2
        style.write(figure, *beside, text, theme, fontsize=9, color=theme.muted, va="center")


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
