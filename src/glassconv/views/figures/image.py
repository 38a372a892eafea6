"""The input: an image, and its three normalised channels."""

from __future__ import annotations

from matplotlib.figure import Figure

from glassconv.reports.array import Array
from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import number

CHANNELS = ("red", "green", "blue")


def draw(image: Array, input: Array, source: str, theme: Theme) -> Figure:
    """Draw an image [height, width, 3] beside the normalised input [3, height, width]."""
    side, gap, top, left = 3.0, 0.35, 1.25, 0.5
    height, width, _ = image.shape
    figure = style.new_figure(2 * left + 4 * side + 3 * gap + 0.75, top + side + 0.75, theme)
    title = f"The input: {height} × {width} pixels × 3 channels"
    style.write(figure, left, 0.32, title, theme, fontsize=17, weight="bold")
    style.write(figure, left, 0.72, source, theme, color=theme.muted)

    axes = style.add_axes(figure, left, top, side, side)
    axes.imshow(image, interpolation="nearest")
    under = top + side + 0.12
    style.write(figure, left, under, "pixels, 0 to 255", theme, color=theme.muted)

    norm = style.centred_on_zero(input)
    for channel, (name, values) in enumerate(zip(CHANNELS, input, strict=True)):
        at = left + (channel + 1) * (side + gap)
        axes = style.add_axes(figure, at, top, side, side)
        channel_map = style.draw_map(axes, values, norm, theme, "equal")
        span = f"{name}, {number(float(values.min()))} to {number(float(values.max()))}"
        style.write(figure, at, under, span, theme, color=theme.muted)
    bar = style.add_axes(figure, left + 4 * side + 3 * gap + 0.15, top, 0.14, side)
    style.colour_bar(figure, bar, channel_map, theme)
    return figure
