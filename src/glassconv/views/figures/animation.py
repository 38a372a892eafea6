"""An animation of im2col: for every window, its column, the weight row times it, and the output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, product
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from glassconv.reports.array import Array
from glassconv.views.figures import planes, style
from glassconv.views.figures.animation_scene import (
    HATCHED,
    LEFT,
    LINE,
    PARTED,
    Scene,
    draw_zeros,
    fontsize,
    halo,
    stage,
)
from glassconv.views.figures.planes import Cell
from glassconv.views.figures.slide import Slide, shown
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import added, number, products

MOST_TERMS = 9  # of a channel's sum that are written out
MOST_SUMS = 3  # channels whose sums are written out; of more, only the results are


def frames(slide: Slide, theme: Theme) -> Iterator[Image.Image]:
    """Yield a frame for each shown output of filter 0, and the matrix full at the last."""
    scene = stage(slide, theme, len(lines_of(slide, 0)))
    canvas: Any = FigureCanvasAgg(scene.figure)  # whose methods have no types
    canvas.draw()
    still = canvas.copy_from_bbox(scene.figure.bbox)
    start = 0
    for place in shown(slide.output.size, slide.size[1]):
        canvas.restore_region(still)
        _draw(scene.figure, _appear(scene, range(start, place + 1)))
        start = place + 1
        still = canvas.copy_from_bbox(scene.figure.bbox)
        _draw(scene.figure, chain(_outlines(scene, place), _sum(scene, place)))
        pixels = np.asarray(canvas.buffer_rgba())
        yield Image.fromarray(pixels).convert("RGB")


def lines_of(slide: Slide, place: int) -> list[str]:
    """Return an output as a sum: the total, then the products of each channel in order."""
    trace, channels = slide.trace, slide.problem.weight_shape[1]
    pixels = slide.columns[:, place].reshape(channels, -1)
    weights = trace.weight[0].reshape(channels, -1)
    sums = [float(each) for each in (pixels * weights).sum(axis=1)]
    index = (0, *divmod(place, slide.size[1])[2 - slide.ndim :])
    value = number(float(slide.output.flat[place]))
    bias = [] if trace.bias is None else [float(trace.bias[0])]
    terms = added([*(sums if channels <= MOST_TERMS else [sum(sums)]), *bias])
    terms += " (bias)" if bias else ""
    name = f"y[{', '.join(map(str, index))}]"
    total = " = ".join([name, *([terms] if bias or channels > 1 else []), value])
    if channels > MOST_SUMS:
        return [total]
    written = []
    for channel, (read, weight, result) in enumerate(zip(pixels, weights, sums, strict=True)):
        more = " + …" if len(read) > MOST_TERMS else ""
        text = f"{products(read[:MOST_TERMS], weight[:MOST_TERMS])}{more} = {number(result)}"
        written.append(f"channel {channel}: {text}" if channels > 1 else f"Σ x·w = {text}")
    return [total, *written]


def _draw(figure: Figure, artists: Iterable[Artist]) -> None:
    """Draw the artists of one frame over the figure, and remove them from it."""
    for artist in list(artists):
        figure.draw_artist(artist)
        artist.remove()


def _appear(scene: Scene, places: range) -> Iterator[Artist]:
    """Yield the cells of some outputs and of their columns, with zeros hatched."""
    slide, theme = scene.slide, scene.theme
    kinds = np.column_stack([slide.column_kinds(place) for place in places])
    norm = style.centred_on_zero(slide.trace.input)  # as in the input
    corner, cell = (0, places[0]), scene.matrix_cell
    yield from _cells(scene.matrix, slide.columns, corner, kinds, cell, norm, theme)
    taps = len(kinds) // slide.problem.weight_shape[1]
    edges = np.arange(taps, len(kinds), taps) - 0.5  # between channels
    ends = places[0] - 0.5, places[-1] + 0.5
    yield scene.matrix.hlines(edges, *ends, color=theme.muted, linewidth=1.4)
    norm, nothing = style.centred_on_zero(slide.output), np.zeros((1, 1))
    row = slide.output.reshape(1, -1)
    for place in places:
        position = divmod(place, slide.size[1])
        yield from _cells(scene.product, row, (0, place), nothing, cell, norm, theme)
        yield from _cells(scene.output, slide.output, position, nothing, scene.cell, norm, theme)


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
    yield from draw_zeros(axes, hatched, corner, theme)
    if cell >= PARTED:
        lines: dict[str, Any] = {"color": theme.background, "linewidth": 1.2, "clip_on": False}
        yield axes.hlines(np.arange(rows + 1) + edges[3], *edges[:2], **lines)
        yield axes.vlines(np.arange(columns + 1) + edges[0], *edges[2:], **lines)
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    size = fontsize(values, cell)
    for row, column in product(range(rows), range(columns)) if size else ():
        value = float(block[row, column])
        colour = style.readable_on(theme.diverging_map(norm(value)))
        yield axes.text(left + column, top + row, planes.brief(value), color=colour, ha="center",
                        va="center", fontsize=size, family=style.MONO,
                        path_effects=halo(hatched[row, column], theme))  # fmt: skip


def _outlines(scene: Scene, place: int) -> Iterator[Artist]:
    """Yield the window in every channel, the weights, the column and the output, outlined."""
    slide, theme, cell = scene.slide, scene.theme, scene.cell
    axes = (*scene.sources, *scene.kernels, scene.weights, scene.matrix, scene.output,
            scene.product)  # fmt: skip
    rows, columns = slide.problem.kernel_size
    before = [len(each.patches) for each in axes]
    for source in scene.sources:
        planes.outline_window(source, slide.problem, slide.position(place), cell, theme)
    for kernel in scene.kernels:
        style.outline(kernel, 0, 0, rows, columns, theme, 2.4)
    style.outline(scene.weights, 0, 0, 1, len(slide.columns), theme, 2.4)
    style.outline(scene.matrix, 0, place, len(slide.columns), 1, theme, 2.4)
    style.outline(scene.product, 0, place, 1, 1, theme, 2.4)
    style.outline(scene.output, *divmod(place, slide.size[1]), 1, 1, theme, 2.4)
    drawn = (list(each.patches)[number:] for each, number in zip(axes, before, strict=True))
    return chain.from_iterable(drawn)


def _sum(scene: Scene, place: int) -> Iterator[Artist]:
    """Yield the lines of an output's sum."""
    for line, text in enumerate(lines_of(scene.slide, place)):
        top = scene.sum_top + (0.42 + LINE * (line - 1) if line else 0)
        style.write(scene.figure, LEFT, top, text, scene.theme, family=style.MONO,
                    fontsize=10 if line else 14,
                    color=scene.theme.ink if line else scene.theme.accent)  # fmt: skip
        yield scene.figure.texts[-1]
