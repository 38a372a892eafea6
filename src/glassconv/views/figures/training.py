"""training: two trainings' losses and times, and the first layer's filters as they form."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from glassconv.reports.array import Array
from glassconv.reports.training import TrainedNetwork, Training
from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import duration

LEFT, TOP, RIGHT, BOTTOM = 0.75, 1.95, 0.45, 0.5  # inches, as all lengths here
WIDE, HIGH = 5.4, 2.55  # of the panel of losses
BARS = 0.95  # of the panel of times
BETWEEN = 0.95  # from the losses to the filters, and to the times
CELL, GAP = 0.5, 0.07  # of a filter
APART = 0.2  # from our filters to PyTorch's
NARROWEST = 4.2  # of the filters, which have a heading and a caption
ROWS = 8  # filters that are drawn: those that changed most
SMOOTHED = 30  # of so many parts of the steps is one mean drawn over the losses


def draw(report: Training, theme: Theme) -> Figure:
    """Draw losses and times on the left, and on the right a row for each filter, step by step."""
    columns = len(report.filters_after) + 1
    shown = min(ROWS, len(report.ours.filters[0]))
    left = LEFT + WIDE + BETWEEN
    wide = max(columns * (CELL + GAP) + APART, NARROWEST)
    width = left + wide + RIGHT
    below = max(HIGH + BETWEEN + BARS, shown * (CELL + GAP) + 0.1)
    figure = style.new_figure(width, TOP + below + BOTTOM, theme)
    title = "Trained twice from the same numbers: by glassconv, and by PyTorch"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=17, weight="bold")
    style.write(figure, LEFT, 0.8, f"{report.data}; {report.network}", theme, color=theme.muted)
    _draw_losses(figure, report, theme)
    _draw_times(figure, TOP + HIGH + BETWEEN, report, theme)
    _draw_filters(figure, left, report, theme, shown)
    return figure


def _draw_losses(figure: Figure, report: Training, theme: Theme) -> None:
    heading = "Loss of each step; the lines are means"
    style.write(figure, LEFT, TOP - 0.55, heading, theme, fontsize=11, weight="bold")
    axes = _axes(figure, TOP, HIGH, theme)
    for run, colour, width in _drawn(report, theme):
        steps = np.arange(1, len(run.losses) + 1)
        axes.plot(steps, run.losses, color=colour, linewidth=0.6, alpha=0.3)
        middles, means = _smooth(run.losses)
        axes.plot(middles, means, color=colour, linewidth=width, solid_capstyle="round")
    axes.set_yscale("log")
    axes.minorticks_off()
    lowest, highest = _limits([*report.ours.losses, *report.theirs.losses])
    axes.set_ylim(lowest, highest)
    ticks = [tick for tick in (3, 1, 0.3, 0.1, 0.03, 0.01, 0.003) if lowest <= tick <= highest]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlim(0, len(report.ours.losses) + 1)
    epochs = len(report.ours.seconds)
    every = max(1, epochs // 10)
    marked = range(0, epochs + 1, every)
    axes.set_xticks([epoch * report.steps_per_epoch for epoch in marked], list(map(str, marked)))
    style.write(figure, LEFT + WIDE, TOP + HIGH + 0.28, "epochs", theme, fontsize=9,
                ha="right", color=theme.muted)  # fmt: skip


def _draw_times(figure: Figure, top: float, report: Training, theme: Theme) -> None:
    heading = "Median time of an epoch, and accuracy on held-out images"
    style.write(figure, LEFT, top - 0.36, heading, theme, fontsize=11, weight="bold")
    axes = style.add_axes(figure, LEFT, top, WIDE, BARS)
    runs = [(run, colour) for run, colour, _ in reversed(_drawn(report, theme))]
    times = [median(run.seconds) for run, _ in runs]
    axes.set_xlim(0, max(times))
    axes.set_ylim(len(runs) - 0.5, -0.5)
    for place, ((run, colour), seconds) in enumerate(zip(runs, times, strict=True)):
        # A bar's text is written below it, in the colour of text: it may be longer than the bar.
        axes.barh(place - 0.18, seconds, height=0.36, color=colour)
        text = f"{run.name}   {duration(seconds)}   {run.accuracies[-1]:.1%}"
        axes.text(0, place + 0.26, text, color=theme.ink, fontsize=10, va="center")


def _draw_filters(figure: Figure, left: float, report: Training, theme: Theme, shown: int) -> None:
    heading = "Filters of the first layer, as they form"
    style.write(figure, left, TOP - 0.55, heading, theme, fontsize=11, weight="bold")
    names = [*map(str, report.filters_after), "PyTorch"]
    most = _changed_most(report.ours.filters, shown)
    snapshots = [each[most] for each in (*report.ours.filters, report.theirs.filters[-1])]
    norms = [style.centred_on_zero(*(each[row] for each in snapshots)) for row in range(shown)]
    for column, (filters, name) in enumerate(zip(snapshots, names, strict=True)):
        place = left + column * (CELL + GAP) + APART * (filters is snapshots[-1])
        style.write(figure, place + CELL / 2, TOP - 0.2, name, theme, fontsize=8.5, ha="center",
                    color=theme.muted)  # fmt: skip
        for row in range(shown):
            _draw_filter(figure, place, TOP + row * (CELL + GAP), filters[row], norms[row], theme)
    below = TOP + shown * (CELL + GAP) + 0.04
    caption = f"by glassconv, after so many steps; by PyTorch, after {report.filters_after[-1]:,}"
    style.write(figure, left, below, caption, theme, fontsize=9, color=theme.muted)


def _changed_most(snapshots: Sequence[Array], shown: int) -> list[int]:
    """Return the filters that changed most, in the order in which the layer has them."""
    change = np.abs(snapshots[-1] - snapshots[0]).sum((1, 2))
    return sorted(int(each) for each in np.argsort(-change, kind="stable")[:shown])


def _draw_filter(
    figure: Figure, left: float, top: float, filter: Array, norm: Normalize, theme: Theme
) -> None:
    axes = style.add_axes(figure, left, top, CELL, CELL)
    style.draw_map(axes, filter, norm, theme, "equal")


def _axes(figure: Figure, top: float, high: float, theme: Theme) -> Axes:
    axes = style.add_axes(figure, LEFT, top, WIDE, high)
    axes.set_axis_on()
    axes.set_facecolor(theme.panel)
    axes.tick_params(colors=theme.muted, labelsize=9, length=0)
    axes.grid(color=theme.line, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _drawn(report: Training, theme: Theme) -> list[tuple[TrainedNetwork, str, float]]:
    """Return both trainings with colours and widths; ours is thin, and drawn over PyTorch's."""
    return [(report.theirs, theme.diverging[1], 4.5), (report.ours, theme.accent, 1.6)]


def _smooth(losses: tuple[float, ...]) -> tuple[list[float], list[float]]:
    """Return the middles of parts of the steps, and the mean loss of each."""
    parts = np.array_split(np.arange(len(losses)), min(SMOOTHED, len(losses)))
    return (
        [float(part.mean()) + 1 for part in parts],
        [float(np.mean([losses[step] for step in part])) for part in parts],
    )


def _limits(losses: list[float]) -> tuple[float, float]:
    """Return the range that is drawn: all but the few smallest losses of single steps."""
    return float(np.quantile(losses, 0.02)) / 1.3, max(losses) * 1.3
