"""The receptive field of one output, and how often every pixel is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from glassconv.problem import ConvProblem
from glassconv.problem.axis import PADDING
from glassconv.reports.array import Array
from glassconv.views.figures import padding, pipeline, style
from glassconv.views.figures.theme import Theme

LEFT, TOP = 0.75, 1.95  # inches, as all lengths here
SIDE, WINDOW = 4.2, 2.9  # the longer side of the input, and of the enlarged window
LEAST_BAR = 1.0  # the height of the colour bar
LEAST_TAPS = 0.045, 0.07  # the sides of a tap in the input, and in the enlarged window
HEADING = 2.9  # the width of a heading's note
GAP = 0.55
DIM, HOLE = 0.38, 0.22  # brightness outside the window, and of pixels skipped by dilation


@dataclass(frozen=True)
class Field:
    """The receptive field of the output in the middle."""

    problem: ConvProblem

    @property
    def output(self) -> tuple[int, int]:
        """Return the output's (row, column)."""
        rows, columns = self.problem.output_size
        return rows // 2, columns // 2

    @property
    def start(self) -> tuple[int, int]:
        """Return the padded (row, column) where its window starts."""
        row, column = (i * s for i, s in zip(self.output, self.problem.stride, strict=True))
        return row, column

    @property
    def field(self) -> tuple[int, int]:
        """Return its window's (rows, columns): the receptive field."""
        rows, columns = self.problem.receptive_field
        return rows, columns

    @property
    def reads(self) -> int:
        """Return how many pixels it reads, without padding."""
        taps = zip(self.problem.axes, self.output, strict=True)
        return prod(int((axis.tap_map()[place] != PADDING).sum()) for axis, place in taps)

    @property
    def spans(self) -> int:
        """Return how many pixels its window spans, including those it skips, without padding."""
        inside = (
            min(start - axis.padding[0] + axis.extent, axis.input_size)
            - max(start - axis.padding[0], 0)
            for axis, start in zip(self.problem.axes, self.start, strict=True)
        )
        return prod(max(size, 0) for size in inside)

    @property
    def taps(self) -> tuple[Array, ...]:
        """Return the padded rows and columns that it reads."""
        return tuple(
            start + axis.dilation * np.arange(axis.kernel_size)
            for axis, start in zip(self.problem.axes, self.start, strict=True)
        )


def draw(problem: ConvProblem, photograph: Array, source: str, theme: Theme) -> Figure:
    """Draw an image with one window, the window enlarged, and how often pixels are read.

    photograph: [height, width, 3], uint8, of the problem's input size. source: its origin.
    """
    padded = tuple(axis.padded_size for axis in problem.axes)
    high, wide = (SIDE * size / max(padded) for size in padded)
    sight = Field(problem)
    field = sight.field
    window_high, window_wide = (WINDOW * size / max(field) for size in field)
    lefts = [LEFT, LEFT + max(wide, HEADING) + GAP]
    lefts.append(lefts[1] + max(window_wide, HEADING) + GAP)
    bottom = TOP + max(high, window_high, LEAST_BAR)
    figure = style.new_figure(lefts[2] + max(wide, HEADING) + 1.3, bottom + 1.0, theme)
    _write_title(figure, sight, theme)

    shaded = _shade(sight, photograph, theme)
    name, place = f"output [{sight.output[0]}, {sight.output[1]}]", (*sight.start, *field)
    note = f"outlined: the window of {name}"
    axes = _panel(figure, lefts[0], (wide, high), ("input", note), shaded, problem, theme)
    _enlarge_taps(axes, sight, shaded, high / padded[0], LEAST_TAPS[0])
    _outline_next(figure, axes, TOP + high + 0.12, sight, theme)
    style.outline(axes, *place, theme, 2.2)

    every = sight.reads == sight.spans
    note = f"{'all' if every else f'{sight.reads:,}'} of its {sight.spans:,} pixels are read"
    size = (window_wide, window_high)
    axes = _panel(figure, lefts[1], size, ("its window", note), shaded, problem, theme)
    _enlarge_taps(axes, sight, shaded, window_high / field[0], LEAST_TAPS[1])
    (top, left), (rows, columns) = sight.start, field
    axes.set(xlim=(left - 0.5, left + columns - 0.5), ylim=(top + rows - 0.5, top - 0.5))
    style.outline(axes, *place, theme, 2.2)

    _draw_copies(figure, lefts[2], (wide, high), problem, theme)
    height, width = problem.input_size
    note = f"The image: {source}, scaled to {height} × {width}."
    style.write(figure, LEFT, bottom + 0.55, note, theme, color=theme.muted, fontsize=9)
    return figure


def _write_title(figure: Figure, sight: Field, theme: Theme) -> None:
    problem = sight.problem
    share = sight.spans / prod(problem.input_size)
    title = (
        f"The window of one output covers {'all' if share == 1 else _percent(share)} of the input"
    )
    if sight.reads < sight.spans:
        title += f" and reads {sight.reads:,} of its pixels"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    rows, columns = sight.field
    subtitle = f"{problem}: receptive field {rows} × {columns}, stride {_steps(problem.stride)}"
    if set(problem.dilation) != {1}:
        subtitle += f", dilation {_steps(problem.dilation)}"
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)


def _shade(sight: Field, photograph: Array, theme: Theme) -> Array:
    """Return the padded image [height, width, 3], 0 to 1, dimmed where the output does not read."""
    ground = np.array(to_rgb(theme.background))
    light = np.pad(photograph / 255, (*sight.problem.padding, (0, 0)))
    lit: Array = ground + DIM * (light - ground)
    window = tuple(
        slice(start, start + size) for start, size in zip(sight.start, sight.field, strict=True)
    )
    lit[window] = HOLE * light[window]
    taps = np.ix_(*sight.taps)
    lit[taps] = light[taps]
    return lit


def _panel(
    figure: Figure,
    left: float,
    size: tuple[float, float],
    heading: tuple[str, str],
    pixels: Array,
    problem: ConvProblem,
    theme: Theme,
) -> Axes:
    pipeline.head(figure, left, TOP, *heading, theme)
    axes = style.add_axes(figure, left, TOP, *size)
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    padding.hatch(axes, pixels.shape[:2], problem.padding, theme)
    return axes


def _enlarge_taps(axes: Axes, sight: Field, pixels: Array, cell: float, least: float) -> None:
    """Draw taps larger if they are too small to be visible and the dilation leaves room."""
    side = min(least, 0.6 * min(sight.problem.dilation) * cell)
    if side <= cell:
        return
    rows, columns = (places.ravel() for places in np.meshgrid(*sight.taps, indexing="ij"))
    area = (side * 72) ** 2  # in points
    colours = pixels[rows, columns]
    axes.scatter(
        columns, rows, s=area, c=colours, marker="s", linewidths=0, clip_on=False, zorder=6
    )


def _outline_next(figure: Figure, axes: Axes, top: float, sight: Field, theme: Theme) -> None:
    """Outline the window of the next output in the row with a dashed line."""
    step = sight.problem.stride[1]
    if sight.output[1] + 1 == sight.problem.output_size[1]:
        return
    row, column = sight.start
    rows, columns = sight.field
    place = (column + step - 0.5, row - 0.5)
    axes.add_patch(
        Rectangle(
            place,
            columns,
            rows,
            fill=False,
            edgecolor=theme.ink,
            linestyle=(0, (3, 2)),
            linewidth=1,
            clip_on=False,
        )
    )
    note = f"dashed: the next output's window, {step} pixel{'s' * (step > 1)} to the right"
    style.write(figure, LEFT, top, note, theme, color=theme.muted, fontsize=9)


def _draw_copies(
    figure: Figure, left: float, size: tuple[float, float], problem: ConvProblem, theme: Theme
) -> None:
    """Draw how often each pixel is read, with unread pixels in the accent colour."""
    copies = problem.copies()
    most = int(copies.max())
    often = f"{int(copies.min())} to {most} times" if copies.min() < most else f"each {most} ×"
    heading = ("how often a pixel is read", f"over all outputs: {often}")
    pipeline.head(figure, left, TOP, *heading, theme)
    axes = style.add_axes(figure, left, TOP, *size)
    padded = np.pad(copies, problem.padding)
    image = axes.imshow(padded, cmap=theme.sequential_map, vmin=0, vmax=max(most, 1), aspect="auto",
                        interpolation="nearest")  # fmt: skip
    never = np.ma.masked_greater(padded, 0)
    axes.imshow(never, cmap=ListedColormap([theme.accent]), aspect="auto", interpolation="nearest")
    padding.hatch(axes, padded.shape, problem.padding, theme)
    wide, high = size
    bar = style.add_axes(figure, left + wide + 0.2, TOP, 0.14, max(high, LEAST_BAR))
    style.colour_bar(figure, bar, image, theme)
    bar.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    colour = theme.accent if (copies == 0).any() else theme.muted
    style.write(figure, left, TOP + high + 0.12, _unread(problem), theme, color=colour, fontsize=9)


def _unread(problem: ConvProblem) -> str:
    """Return how many pixels no window reads, and how many of them are left over at the end."""
    unread = problem.copies() == 0
    count = int(unread.sum())
    if not count:
        return "every pixel is read"
    rows, columns = (
        axis.input_size - max(0, axis.leftover - axis.padding[1]) for axis in problem.axes
    )
    over = count - int(unread[:rows, :columns].sum())
    text = f"■ no window reads {count:,} pixels ({_percent(count / unread.size)})"
    return text + (f", {over:,} of them left over at the end" if over else "")


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"


def _steps(steps: tuple[int, ...]) -> str:
    return str(steps[0]) if len(set(steps)) == 1 else " × ".join(map(str, steps))
