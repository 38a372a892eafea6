"""tiles: the plan of tiles over the image, and memory over time with tiles and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassconv.reports.array import Array
from glassconv.reports.tiles import Bounds, TilePlan
from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import shape, size

SIDE = 4.6  # inches: of the drawn image's longer side
LEFT, TOP = 0.5, 1.25
PROFILE = (7.5, 3.2)  # inches: of the profile's axes
GIBIBYTE = 2**30

Profile = Sequence[tuple[float, float]]  # (seconds, bytes)


def plan(tiles: TilePlan, pixels: Array, theme: Theme) -> Figure:
    """Draw the tiles of an image with two axes, what one of them computes, and what it reads.

    pixels: [height, width, 3], of any size, stretched over the input.
    """
    height, width = tiles.input_shape[2:]
    scale = SIDE / max(height, width)
    legend = _legend(tiles)
    figure = style.new_figure(
        max(LEFT * 2 + width * scale, LEFT + style.width_of(legend, 10) + 0.3),
        TOP + height * scale + 0.75,
        theme,
    )
    title = f"{tiles.count} tiles of {shape(tiles.output_shape)}"
    style.write(figure, LEFT, 0.35, title, theme, fontsize=15)
    style.write(figure, LEFT, 0.75, _numbers(tiles), theme, fontsize=10, color=theme.muted)
    axes = style.add_axes(figure, LEFT, TOP, width * scale, height * scale)
    axes.imshow(pixels, extent=(0, width, height, 0), alpha=0.55, interpolation="antialiased")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    rows, columns = (
        [end * whole / sum(lengths) for end in accumulate(lengths)]
        for lengths, whole in zip(tiles.tiles, (height, width), strict=True)
    )
    axes.hlines(rows[:-1], 0, width, color=theme.ink, lw=0.8)
    axes.vlines(columns[:-1], 0, height, color=theme.ink, lw=0.8)
    factors = [given / found for given, found in zip((height, width), _size(tiles), strict=True)]
    own = tuple(
        (round(start * factor), round(stop * factor))
        for (start, stop), factor in zip(tiles.example.output, factors, strict=True)
    )
    _outline(axes, own, theme, "--")
    _outline(axes, tiles.example.input, theme, "-")
    place = TOP + height * scale + 0.2
    style.write(figure, LEFT, place, legend, theme, fontsize=10, color=theme.accent)
    return figure


def _size(tiles: TilePlan) -> tuple[int, ...]:
    return tiles.output_shape[2:]


def _legend(tiles: TilePlan) -> str:
    halo = " × ".join(f"{before}+{after}" for before, after in tiles.halo)
    return f"– – – what one tile computes        —— what it reads for that: a halo of {halo}"


def _numbers(tiles: TilePlan) -> str:
    return (
        f"{100 * tiles.redundant:.2g} % of redundant work, {size(tiles.peak_bytes)} of memory, "
        f"{size(tiles.read_bytes)} read"
    )


def _outline(axes: Axes, bounds: Bounds, theme: Theme, line: str) -> None:
    (top, bottom), (left, right) = bounds
    across, down = (left, right, right, left, left), (top, top, bottom, bottom, top)
    axes.plot(across, down, line, color=theme.accent, lw=1.8, clip_on=False)


def memory(profiles: Mapping[str, Profile], limit: int, theme: Theme) -> Figure:
    """Draw the memory of a process over time, one line for each way to run a network."""
    wide, high = PROFILE
    figure = style.new_figure(wide + 1.5, high + 1.6, theme)
    style.write(figure, LEFT, 0.3, "Memory while a network runs", theme, fontsize=15)
    axes = style.add_axes(figure, 0.9, 0.9, wide, high)
    axes.set_axis_on()
    axes.set_facecolor(theme.background)
    for place, (name, profile) in enumerate(profiles.items()):
        seconds, taken = zip(*profile, strict=True)
        gibibytes = [each / GIBIBYTE for each in taken]
        axes.plot(seconds, gibibytes, color=style.group_colour(place), lw=1.6, label=name)
    axes.axhline(limit / GIBIBYTE, color=theme.accent, lw=1, ls="--", label="the limit")
    axes.set_xlabel("seconds", color=theme.ink)
    axes.set_ylabel("GiB", color=theme.ink)
    axes.set_ylim(bottom=0)
    axes.tick_params(colors=theme.muted)
    for side in axes.spines.values():
        side.set_color(theme.line)
    axes.legend(facecolor=theme.background, edgecolor=theme.line, labelcolor=theme.ink)
    return figure
