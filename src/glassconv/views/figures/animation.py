"""The window slides, its column fills, its output appears: im2col as a moving picture."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from glassconv.problem import ConvProblem
from glassconv.report import Array, Trace
from glassconv.views.figures import padding, pipeline, planes, style
from glassconv.views.figures.planes import Cell
from glassconv.views.figures.style import Theme
from glassconv.views.figures.window import channels_of
from glassconv.views.notation import added, factor, number

FORMATS = ("gif", "png", "apng")
DOTS_PER_INCH = 80
MILLISECONDS, LAST_MILLISECONDS = 320, 2400  # a frame's time, and the last one's
COLOURS = 128  # of a GIF's palette

LEFT, TOP = 0.6, 1.75  # inches, as all lengths here
GAP = 1.0
HEADING = 1.9  # the width of a heading's note
MATRIX_GAP = 1.05  # under the planes, the matrix's heading included
LONGEST = 11.0  # the matrix
MOST_TERMS = 5


@dataclass(frozen=True)
class Scene:
    """The picture that does not move, and what stands where."""

    figure: Figure
    canvas: FigureCanvasAgg
    source: Axes
    matrix: Axes
    output: Axes
    bottom: float  # of the matrix


def frames(trace: Trace, theme: Theme, stuffing: Array | None = None) -> Iterator[Image.Image]:
    """Yield one frame for each output of filter 0, and the matrix full at the last.

    trace: of im2col. stuffing: where the input's zeros stand between pixels, of a transposed
    convolution; [height, width] booleans.
    """
    scene = _scene(trace, theme, stuffing)
    problem, canvas = trace.problem, scene.canvas
    k = problem.taps_per_output
    columns = trace["columns"][0, :k]
    matrix_norm, output = style.centred_on_zero(columns), trace.output[0, 0]
    output_norm = style.centred_on_zero(output)
    canvas.draw()  # type: ignore[no-untyped-call]
    seen = canvas.copy_from_bbox(scene.figure.bbox)  # type: ignore[no-untyped-call]
    for place in range(output.size):
        position = divmod(place, problem.output_size[1])
        canvas.restore_region(seen)  # type: ignore[no-untyped-call]
        column, value = columns[:, place : place + 1], output[position]
        for artist in (
            *_cells(scene.matrix, column, (0, place), matrix_norm, theme),
            *_cells(scene.output, np.array([[value]]), position, output_norm, theme),
        ):
            scene.figure.draw_artist(artist)
            artist.remove()
        seen = canvas.copy_from_bbox(scene.figure.bbox)  # type: ignore[no-untyped-call]
        moving = [
            *_outlines(scene, problem, place, theme),
            *_sum(scene, trace, position, columns[:, place], theme),
        ]
        for artist in moving:
            scene.figure.draw_artist(artist)
            artist.remove()
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        yield Image.fromarray(pixels).convert("RGB")


def to_bytes(drawn: Sequence[Image.Image], format: str) -> bytes:
    """Return an animation that loops for ever, as a GIF's or an animated PNG's content."""
    times = [MILLISECONDS] * (len(drawn) - 1) + [LAST_MILLISECONDS]
    if format == "gif":
        palette = drawn[-1].quantize(COLOURS)  # the last frame has every colour there is
        drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in drawn]
    buffer = io.BytesIO()
    drawn[0].save(
        buffer,
        format="gif" if format == "gif" else "png",
        save_all=True,
        append_images=drawn[1:],
        duration=times,
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()


def _scene(trace: Trace, theme: Theme, stuffing: Array | None) -> Scene:
    """Return the figure without what will appear and move."""
    problem = trace.problem
    source = planes.padded(problem, trace.input[0, 0])
    kernel, output = trace.weight[0, 0], trace.output[0, 0]
    k, positions = problem.taps_per_output, output.size
    cell = min(planes.cell_size(source.shape), planes.cell_size(output.shape))
    matrix_cell = min(planes.CELL, LONGEST / positions, LONGEST / 2 / k)

    kernel_left = LEFT + max(source.shape[1] * cell, HEADING) + GAP
    output_left = kernel_left + max(kernel.shape[1] * planes.CELL, HEADING) + GAP
    right = output_left + max(output.shape[1] * cell, HEADING)
    tall = max(source.shape[0] * cell, kernel.shape[0] * planes.CELL, output.shape[0] * cell)
    matrix_top = TOP + tall + MATRIX_GAP
    bottom = matrix_top + k * matrix_cell
    width = max(right, LEFT + positions * matrix_cell, 8.4) + LEFT
    figure = style.new_figure(width, bottom + 1.15, theme)
    figure.set_dpi(DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)

    transposed = stuffing is not None
    title = "A transposed convolution, window by window" if transposed else "Window by window"
    style.write(figure, LEFT, 0.3, title, theme, fontsize=17, weight="bold")
    said = f"{problem}{': its input is stuffed with zeros' if transposed else ''}"
    style.write(figure, LEFT, 0.7, said, theme, color=theme.muted)

    which = "1 channel" if problem.in_channels == 1 else f"channel 0 of {problem.in_channels}"
    pipeline.head(figure, LEFT, TOP, f"input, {which}", planes.extent(problem), theme)
    axes = planes.draw(figure, LEFT, TOP, source, style.centred_on_zero(source), theme, cell)
    padding.hatch(axes, source.shape, problem.padding, theme)
    if stuffing is None:
        planes.dim(axes, planes.unread(problem), theme)
    else:
        planes.dim(axes, _places(problem, stuffing), theme)

    note = f"{kernel.shape[0]} × {kernel.shape[1]}, filter 0 of {problem.out_channels}"
    note += ", turned around" if transposed else ""
    pipeline.head(figure, kernel_left, TOP, "kernel", note, theme)
    planes.draw(figure, kernel_left, TOP, kernel, style.centred_on_zero(kernel), theme)

    note = f"{output.shape[0]} × {output.shape[1]}, filter 0"
    pipeline.head(figure, output_left, TOP, "output", note, theme)
    output_axes = _empty(figure, (output_left, TOP), output.shape, cell, theme)

    channels = channels_of(problem, 0)
    note = f"[{k}, {positions}], one window a column"
    if problem.groups > 1:
        note += f"; the band of group 0, channels {channels[0]}–{channels[-1]}"
    pipeline.head(figure, LEFT, matrix_top, "im2col matrix", note, theme)
    matrix_axes = _empty(figure, (LEFT, matrix_top), (k, positions), matrix_cell, theme)
    return Scene(figure, canvas, axes, matrix_axes, output_axes, bottom)


def _empty(
    figure: Figure, place: tuple[float, float], shape: tuple[int, ...], cell: float, theme: Theme
) -> Axes:
    """Return axes for cells that are still to come."""
    rows, columns = shape
    axes = style.add_axes(figure, *place, columns * cell, rows * cell)
    planes.draw_nothing(axes, rows, columns, theme)
    return axes


def _cells(
    axes: Axes, values: Array, corner: tuple[int, int], norm: Normalize, theme: Theme
) -> list[Artist]:
    """Return a block of cells that has just appeared, with numbers where they fit."""
    rows, columns = values.shape
    top, left = corner
    extent = (left - 0.5, left + columns - 0.5, top + rows - 0.5, top - 0.5)
    limits = axes.get_xlim(), axes.get_ylim()
    image = axes.imshow(values, cmap=theme.diverging_map, norm=norm, extent=extent, aspect="auto",
                        interpolation="nearest")  # fmt: skip
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    artists: list[Artist] = [image]
    across = axes.get_window_extent().width / abs(limits[0][1] - limits[0][0])
    texts = [[planes.brief(float(value)) for value in row] for row in values]
    longest = max(len(text) for row in texts for text in row)
    if across < 8 * longest:
        return artists
    for row, column in product(range(rows), range(columns)):
        colour = style.readable_on(theme.diverging_map(norm(values[row, column])))
        text = axes.text(left + column, top + row, texts[row][column], color=colour)
        text.set(ha="center", va="center", fontsize=8, family=style.MONO)
        artists.append(text)
    return artists


def _outlines(scene: Scene, problem: ConvProblem, place: int, theme: Theme) -> Iterator[Artist]:
    """Yield the window, its column and its output, outlined."""
    position = divmod(place, problem.output_size[1])
    axes = (scene.source, scene.matrix, scene.output)
    before = [len(each.patches) for each in axes]
    planes.outline_window(scene.source, problem, position, planes.CELL, theme)
    style.outline(scene.matrix, 0, place, problem.taps_per_output, 1, theme, 2.4)
    style.outline(scene.output, *position, 1, 1, theme, 2.4)
    drawn = (list(each.patches)[number:] for each, number in zip(axes, before, strict=True))
    return chain.from_iterable(drawn)


def _places(problem: ConvProblem, stuffing: Array) -> Iterator[Cell]:
    """Yield the cells of the padded plane where the input is stuffed."""
    (top, _), (left, _) = problem.padding
    for row, column in np.argwhere(stuffing):
        yield int(row) + top, int(column) + left


def _sum(
    scene: Scene, trace: Trace, position: Cell, column: Array, theme: Theme
) -> Iterator[Artist]:
    """Yield the output as a sum, largest terms first."""
    weights = trace.weight[0].ravel()
    products = weights * column
    order = np.argsort(-np.abs(products), kind="stable")[:MOST_TERMS]
    terms = [f"{factor(float(weights[i]))}·{factor(float(column[i]))}" for i in order]
    rest = " + …" if len(column) > len(terms) else ""
    bias = 0.0 if trace.bias is None else float(trace.bias[0])
    place = ", ".join(map(str, (0, *position)))
    value = number(float(trace.output[(0, 0, *position)]))
    lines = (
        (f"y[{place}] = {added([float(products.sum()), bias])} = {value}", 13, theme.accent),
        (f"Σ w·x = {' + '.join(terms)}{rest}", 9.5, theme.ink),
    )
    for line, (text, fontsize, colour) in enumerate(lines):
        top = scene.bottom + 0.3 + 0.36 * line
        style.write(scene.figure, LEFT, top, text, theme, fontsize=fontsize, color=colour,
                    family=style.MONO)  # fmt: skip
        yield scene.figure.texts[-1]
