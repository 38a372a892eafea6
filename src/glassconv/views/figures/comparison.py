"""Two outputs side by side, and their difference on a logarithmic scale up to its bound."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from glassconv.reports.array import Array
from glassconv.reports.verification import Difference
from glassconv.views.figures import style
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import small

LEFT, TOP = 0.75, 1.75  # inches, as all lengths here
SIDE = 3.3
ROW = 1.2  # the height of a sequence
BAR = 0.14


def draw(
    first: Array, second: Array, difference: Difference, subject: Subject, theme: Theme
) -> Figure:
    """Draw the plane of both outputs [batch, out_channels, height, width] that differs most."""
    plane = difference.index[:2]
    high = SIDE if subject.problem.ndim > 1 else ROW
    figure = style.new_figure(LEFT + 3 * SIDE + 3.75, TOP + high + 1.0, theme)
    same = "the same up to rounding" if difference.verdict else "NOT the same"
    title = f"{difference.first} and {difference.second}: {same}"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    subtitle = (
        f"{subject.problem}. The largest difference is {small(difference.maximum)}; "
        f"rounding can cause up to {small(difference.bound)} there."
    )
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)

    norm = style.centred_on_zero(first[plane], second[plane])
    outputs = [(difference.first, first[plane]), (difference.second, second[plane])]
    for number, (name, values) in enumerate(outputs):
        left = LEFT + number * (SIDE + 0.4)
        style.write(figure, left, TOP - 0.36, f"{name} output", theme, fontsize=12, weight="bold")
        axes = style.add_axes(figure, left, TOP, SIDE, high)
        image = style.draw_map(axes, values, norm, theme, "auto")
    bar_left = LEFT + 2 * SIDE + 0.55
    style.colour_bar(figure, style.add_axes(figure, bar_left, TOP, BAR, high), image, theme)

    left = bar_left + 0.95
    style.write(figure, left, TOP - 0.36, "|difference|", theme, fontsize=12, weight="bold")
    axes = style.add_axes(figure, left, TOP, SIDE, high)
    bar = style.add_axes(figure, left + SIDE + 0.75, TOP, BAR, high)
    _draw_difference(figure, axes, bar, difference, theme)
    equal = float(np.mean(difference.array[plane] == 0))
    note = f"{equal:.0%} of the outputs are bitwise equal"
    style.write(figure, left, TOP + high + 0.12, note, theme, color=theme.muted, fontsize=10)
    return figure


def _draw_difference(
    figure: Figure, axes: Axes, bar: Axes, difference: Difference, theme: Theme
) -> None:
    values = difference.array[difference.index[:2]]
    positive = values[(values > 0) & np.isfinite(values)]
    least = float(positive.min(initial=difference.bound / 10))
    most = max(difference.bound, difference.maximum)
    shown = np.ma.masked_equal(values, 0)
    axes.set_facecolor(theme.panel)
    image = axes.imshow(
        shown,
        cmap=theme.sequential_map,
        norm=LogNorm(least, most),
        aspect="auto",
        interpolation="nearest",
    )
    style.colour_bar(figure, bar, image, theme)
    marks = [(difference.maximum, "max"), (difference.bound, "bound")]
    for value, name in marks:
        if least <= value <= most:
            bar.axhline(value, color=theme.accent, linewidth=2)
            bar.text(-0.6, value, name, color=theme.accent, fontsize=9, ha="right", va="center",
                     transform=bar.get_yaxis_transform())  # fmt: skip
