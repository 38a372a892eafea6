"""Convolution by FFT: two spectra, one product per frequency, and the inverse transform."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import pipeline, style
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme

SIDE = 2.5  # inches, as all lengths here: the longer side of a transformed array
LEAST_SIDE = 0.8  # the shorter side, at least
LEFT, TOP = 0.75, 1.95
HEADING = 2.5
GAP = 0.85
LANES = 1.0
BAR = 0.12
LEAST = 1e-4  # of a spectrum's largest magnitude: smaller values are drawn as zero
INSET = 0.42  # of a side: the enlarged filter, if it fits


def draw(trace: Trace, input_is: str, filter_is: str, subject: Subject, theme: Theme) -> Figure:
    """Draw the steps of `fft` for the first image, the first filter and its first channel.

    input_is, filter_is: descriptions of the input and the filter.
    """
    lengths = trace["full correlation"].shape[2:]
    high, wide = _panel(lengths)
    half = wide * trace["product spectrum"].shape[-1] / lengths[1]
    lefts = [LEFT]
    for width in (wide, half, half, wide):
        lefts.append(lefts[-1] + max(width, HEADING) + GAP)
    body = 2 * high + LANES
    figure = style.new_figure(lefts[-1] + max(wide, HEADING) + 0.5, TOP + body + 1.35, theme)
    _write_title(figure, trace, theme)

    upper, lower, middle = TOP, TOP + high + LANES, TOP + (body - high) / 2
    _draw_operands(figure, trace, (input_is, filter_is), (lefts[0], upper, lower), subject, theme)
    spectra = [
        (lefts[1], upper, "input spectrum X", trace["input spectrum"][0, 0, 0]),
        (lefts[1], lower, "filter spectrum W", trace["filter spectrum"][0, 0, 0]),
        (lefts[2], middle, "product X · W̄", trace["product spectrum"][0, 0, 0]),
    ]
    for left, top, name, values in spectra:
        note = f"{subject.by(values.shape)} frequencies"
        pipeline.head(figure, left, top, name, note, theme)
        scale = _draw_spectrum(style.add_axes(figure, left, top, half, high), values, theme)
    bar = style.add_axes(figure, lefts[2] + half + 0.12, middle, BAR, high)
    style.colour_bar(figure, bar, scale, theme)

    _draw_results(figure, trace, (lefts[3], lefts[4], middle), subject, theme)
    _draw_arrows(figure, lefts, (upper, lower, middle), (wide, half, high), theme)
    _write_circle(figure, TOP + body + 0.32, trace, theme)
    return figure


def _write_title(figure: Figure, trace: Trace, theme: Theme) -> None:
    title = "A convolution is a product of spectra"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    subtitle = (
        "y = F⁻¹(F(x) · conj F(w)): transform, multiply each frequency by the filter’s, "
        "transform back. The cost does not depend on the kernel size."
    )
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)


def _draw_operands(
    figure: Figure,
    trace: Trace,
    descriptions: tuple[str, str],
    places: tuple[float, float, float],
    subject: Subject,
    theme: Theme,
) -> None:
    """Draw the padded input and the filter, each zero-padded to the transform's size."""
    problem, lengths = trace.problem, trace["full correlation"].shape[2:]
    left, *tops = places
    high, wide = _panel(lengths)
    padded, filter = trace["padded"][0, 0], trace["filters"][0, 0, 0]
    sizes = f"{subject.by(problem.input_size)}, padded {subject.by(padded.shape)}"
    of_input = f"{descriptions[0]}, {sizes}"
    of_filter = f"{descriptions[1]} of {subject.by(problem.kernel_size)}"
    for name, note, values, top in zip(
        ("input x", "filter w"), (of_input, of_filter), (padded, filter), tops, strict=True
    ):
        pipeline.head(figure, left, top, name, note, theme)
        axes = style.add_axes(figure, left, top, wide, high)
        filled = np.zeros(lengths)
        filled[: values.shape[0], : values.shape[1]] = values
        norm = style.centred_on_zero(values)
        style.draw_map(axes, filled, norm, theme, "auto")
        _frame(axes, values.shape, theme)
        if all(4 * size <= length for size, length in zip(values.shape, lengths, strict=True)):
            side = INSET * min(high, wide)
            right, bottom = left + wide - 0.12, top + high - 0.12
            larger = style.add_axes(figure, right - side, bottom - side, side, side)
            style.draw_map(larger, values, norm, theme, "auto")
            _frame(larger, values.shape, theme)
            style.write(figure, right - side - 0.08, bottom, "enlarged", theme, fontsize=8.5,
                        color=theme.muted, ha="right", va="bottom")  # fmt: skip


def _draw_spectrum(axes: Axes, values: Array, theme: Theme) -> Any:
    """Draw magnitudes as a share of the largest, the row of frequency 0 in the middle."""
    shares = np.abs(values) / (np.abs(values).max() or 1.0)
    return axes.imshow(
        np.fft.fftshift(shares, axes=0).clip(LEAST, 1.0),
        cmap=theme.sequential_map,
        norm=LogNorm(LEAST, 1.0),
        aspect="auto",
        interpolation="nearest",
    )


def _draw_results(
    figure: Figure,
    trace: Trace,
    places: tuple[float, float, float],
    subject: Subject,
    theme: Theme,
) -> None:
    """Draw the circular correlation with the kept part outlined, and the output."""
    problem, full, output = trace.problem, trace["full correlation"][0, 0], trace.output[0, 0]
    circle_left, output_left, top = places
    high, wide = _panel(full.shape)
    kept = kept_places(trace)
    norm = style.centred_on_zero(full, output)

    note = f"{subject.by(full.shape)} positions, {subject.by(kept)} kept"
    pipeline.head(figure, circle_left, top, "circular correlation", note, theme)
    axes = style.add_axes(figure, circle_left, top, wide, high)
    style.draw_map(axes, full, norm, theme, "auto")
    style.outline(axes, 0, 0, *kept, theme, 2.2)

    note = subject.by(output.shape)
    if set(problem.stride) != {1}:
        note += f", every {subject.by(problem.stride)} positions"
    pipeline.head(figure, output_left, top, "output y", note, theme)
    high, wide = _panel(output.shape)
    axes = style.add_axes(figure, output_left, top + (_panel(full.shape)[0] - high) / 2, wide, high)
    style.draw_map(axes, output, norm, theme, "auto")


def kept_places(trace: Trace) -> tuple[int, int]:
    """Return how many rows and columns of outputs have their window inside the padded input."""
    rows, columns = (axis.padded_size - axis.extent + 1 for axis in trace.problem.axes)
    return rows, columns


def _draw_arrows(
    figure: Figure,
    lefts: Sequence[float],
    tops: tuple[float, float, float],
    sizes: tuple[float, float, float],
    theme: Theme,
) -> None:
    """Draw the arrows between the arrays, labelled with the transforms."""
    wide, half, high = sizes
    upper, lower, middle = (top + high / 2 for top in tops)
    away = 0.14
    steps = [
        (lefts[0] + wide, upper, lefts[1], upper, "F"),
        (lefts[0] + wide, lower, lefts[1], lower, "F"),
        (lefts[2] + half + 0.6, middle, lefts[3], middle, "F⁻¹"),
        (lefts[3] + wide, middle, lefts[4], middle, "keep"),
    ]
    for start, start_top, end, end_top, name in steps:
        pipeline.arrow(figure, (start + away, start_top), (end - away, end_top), theme)
        style.write(figure, (start + end) / 2, start_top - 0.08, name, theme, ha="center",
                    va="bottom")  # fmt: skip
    meet = (lefts[2] - 0.42, middle)
    pipeline.operator(figure, meet, "×", theme)
    for start_top, side in ((upper, -1), (lower, 1)):
        end_place = (meet[0] - 0.08, middle + side * 0.2)
        pipeline.arrow(figure, (lefts[1] + half + away, start_top), end_place, theme)


def _write_circle(figure: Figure, top: float, trace: Trace, theme: Theme) -> None:
    """Write the number of products, how spectra are drawn, and why a part is dropped."""
    problem = trace.problem
    frequencies = prod(trace["product spectrum"].shape[-2:])
    pairs = problem.batch * problem.out_channels * problem.weight_shape[1]
    total = f"{frequencies * pairs:,} complex products"
    count = f"{total} between transforms; the definition takes {problem.macs:,} multiplications."
    style.write(figure, LEFT, top, count, theme, fontsize=12, color=theme.accent)
    lines = [
        "Magnitudes on a logarithmic scale, as a share of the largest; frequency 0 in the middle "
        "row, first column. The spectrum of a real array is symmetric: half of it is stored.",
        "Windows outside the outline are dropped: they extend beyond the padded input, where the "
        "indices of the transform wrap around to its beginning. "
        + (
            f"Spectra of {problem.weight_shape[1]} channels are summed; channel 0 is drawn."
            if problem.weight_shape[1] > 1
            else ""
        ),
    ]
    for number, line in enumerate(lines):
        style.write(figure, LEFT, top + 0.32 + 0.24 * number, line.strip(), theme, fontsize=9.5,
                    color=theme.muted)  # fmt: skip


def _frame(axes: Axes, shape: Sequence[int], theme: Theme) -> None:
    """Draw a thin frame around the array, without the zeros after its end."""
    axes.add_patch(
        Rectangle((-0.5, -0.5), shape[1], shape[0], fill=False, edgecolor=theme.muted,
                  linewidth=0.8, clip_on=False)
    )  # fmt: skip


def _panel(shape: Sequence[int]) -> tuple[float, float]:
    """Return the height and width of an array's panel, in its proportions if not too thin."""
    longest = max(shape)
    high, wide = (max(SIDE * size / longest, LEAST_SIDE) for size in shape)
    return high, wide
