"""The size of an output: how many windows fit on an axis, and where k − 1 comes from."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassconv.problem.axis import Axis
from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme

LEFT, TOP = 0.75, 1.4  # inches, as all lengths here
CELL = 0.6  # a place of the axis
ROW = 0.55  # a window
NOTES = 5.9  # width of the derivation
LINE = 0.42  # from one line of it to the next


def draw(axis: Axis, name: str, theme: Theme) -> Figure:
    """Draw every window of an axis below the places of its input, and the formula step by step.

    name: written before the axis's arguments, such as "height: ".
    """
    notes = _derivation(axis)
    windows = axis.output_size
    high = max(1.2 + windows * ROW, len(notes) * LINE + 0.3)
    notes_left = LEFT + axis.padded_size * CELL + 1.9
    figure = style.new_figure(notes_left + NOTES, TOP + high + 0.5, theme)
    title = f"{windows} window{'s fit' if windows != 1 else ' fits'}"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.8, name + _arguments(axis), theme, color=theme.muted)

    axes = style.add_axes(figure, LEFT, TOP, axis.padded_size * CELL, high)
    axes.set_xlim(-0.5, axis.padded_size - 0.5)
    axes.set_ylim(high, 0)
    for place in range(axis.padded_size):
        _draw_place(axes, axis, place, theme)
    for number in range(windows):
        _draw_window(axes, axis, number, theme)
    for row, (formula, meaning) in enumerate(notes):
        top = TOP + row * LINE
        style.write(figure, notes_left, top, formula, theme, family=style.MONO, fontsize=11)
        style.write(figure, notes_left + 2.4, top + 0.01, meaning, theme, color=theme.muted)
    return figure


def _arguments(axis: Axis) -> str:
    before, after = axis.padding
    padding = f"padding p = {before}" if before == after else f"padding {before} and {after}"
    dilation = f", dilation d = {axis.dilation}" if axis.dilation > 1 else ""
    return (
        f"input n = {axis.input_size}, {padding}, kernel k = {axis.kernel_size}, "
        f"stride s = {axis.stride}{dilation}"
    )


def _derivation(axis: Axis) -> list[tuple[str, str]]:
    """Return the steps to the output size: a formula with its numbers, and what it counts."""
    n, k, s, d = axis.input_size, axis.kernel_size, axis.stride, axis.dilation
    before, after = axis.padding
    places, last = axis.padded_size, axis.padded_size - axis.extent
    added = f"2·{before}" if before == after else f"{before} + {after}"
    gaps = f"{d}·({k} − 1)" if d > 1 else f"{k} − 1"
    lines = [
        (f"{n} + {added} = {places}", "places, counted from 0"),
        (f"{gaps} = {axis.extent - 1}", "places after the first tap of a window"),
        (f"{places} − {axis.extent - 1} − 1 = {last}", "where the last window that fits can begin"),
        (f"⌊{last} / {s}⌋ = {axis.output_size - 1}", "steps from the first window"),
        (f"{axis.output_size - 1} + 1 = {axis.output_size}", "windows: the first counts, too"),
    ]
    if axis.leftover:
        unread = "place is" if axis.leftover == 1 else "places are"
        lines.append((f"{last} mod {s} = {axis.leftover}", f"{unread} after the last window"))
    return lines


def _draw_place(axes: Axes, axis: Axis, place: int, theme: Theme) -> None:
    """Draw a place: a pixel, or a zero of the padding."""
    before = axis.padding[0]
    is_pixel = before <= place < before + axis.input_size
    colour = theme.sequential[1 if is_pixel else 0]
    axes.bar(place, 0.5, width=0.92, bottom=0.3, color=colour, edgecolor=theme.line)
    text = "" if is_pixel else "0"
    axes.text(place, 0.55, text, color=theme.muted, ha="center", va="center", fontsize=11)
    axes.text(place, 0.15, str(place), color=theme.muted, ha="center", va="center", fontsize=9)


def _draw_window(axes: Axes, axis: Axis, number: int, theme: Theme) -> None:
    """Draw a window as a bar over its extent, with a dot at each tap."""
    start, middle = number * axis.stride, 1.2 + number * ROW
    axes.barh(middle, axis.extent - 0.16, 0.3, left=start - 0.42, color=theme.line)
    taps = range(start, start + axis.extent, axis.dilation)
    axes.scatter(taps, [middle] * len(taps), color=theme.accent, s=46, zorder=3)
    end = axis.padded_size - 0.3
    axes.text(end, middle, f"begins at {start}", color=theme.ink, va="center", fontsize=10)
