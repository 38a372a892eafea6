"""Errors and bounds over the length of the sum, log–log, in one panel per algorithm."""

from __future__ import annotations

from math import ceil, log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassconv.reports.verification import ErrorCurve, ErrorCurves
from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme

LEFT, TOP = 1.0, 2.05  # inches, as all lengths here
WIDE, HIGH = 2.5, 1.9
GAP_ACROSS, GAP_DOWN = 0.35, 0.75
COLUMNS = 4


def draw(report: ErrorCurves, theme: Theme) -> Figure:
    """Draw maximum error, rms error and bound of every algorithm, with the same scales."""
    columns = min(COLUMNS, len(report.curves))
    rows = ceil(len(report.curves) / columns)
    width = LEFT + columns * (WIDE + GAP_ACROSS) + 0.45
    figure = style.new_figure(max(width, 8.2), TOP + rows * (HIGH + GAP_DOWN) + 0.35, theme)
    title = "Every error is within its bound, for every length of the sum"
    within = all(share <= 1 for curve in report.curves for share in curve.share)
    style.write(figure, LEFT, 0.34, title if within else "An error EXCEEDS its bound", theme,
                fontsize=18, weight="bold")  # fmt: skip
    subtitle = (
        f"{report.problem}, with {report.products[0]:,} to {report.products[-1]:,} products per sum"
    )
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)
    place = LEFT
    for name, colour in (("bound, proven", theme.accent), ("maximum error", theme.diverging[-1]),
                         ("rms error", theme.diverging[0])):  # fmt: skip
        style.write(figure, place, 1.22, f"━ {name}", theme, color=colour, fontsize=10)
        place += 0.08 * len(name) + 0.35
    style.write(figure, place, 1.22, "┅ √n", theme, color=theme.muted, fontsize=10)

    parts = [part for curve in report.curves for part in (curve.worst, curve.rms, curve.bound)]
    values = [value for part in parts for value in part if value]
    limits = (min(values) / 2, max(values) * 2)
    for number, curve in enumerate(report.curves):
        row, column = divmod(number, columns)
        left = LEFT + column * (WIDE + GAP_ACROSS)
        top = TOP + row * (HIGH + GAP_DOWN)
        _draw_panel(figure, left, top, curve, report.products, limits, theme)
        last_row = number + columns >= len(report.curves)
        _label(figure.axes[-1], column == 0, last_row, theme)
        if last_row:
            style.write(figure, left + WIDE, top + HIGH + 0.32, "products summed", theme,
                        ha="right", color=theme.muted, fontsize=9)  # fmt: skip
    return figure


def _draw_panel(
    figure: Figure,
    left: float,
    top: float,
    curve: ErrorCurve,
    products: tuple[int, ...],
    limits: tuple[float, float],
    theme: Theme,
) -> None:
    style.write(figure, left, top - 0.27, curve.algorithm, theme, fontsize=11, weight="bold")
    share = max(curve.share)
    used = f"uses {share:.1%}" if share >= 1e-3 else "uses < 0.1%"
    style.write(figure, left + WIDE, top - 0.25, used, theme, ha="right", color=theme.muted,
                fontsize=9)  # fmt: skip
    axes = style.add_axes(figure, left, top, WIDE, HIGH)
    axes.set_axis_on()
    axes.set_facecolor(theme.panel)
    axes.set_xscale("log", base=10)
    axes.set_yscale("log", base=10)
    axes.set_xlim(products[0] / 1.3, products[-1] * 1.3)
    axes.set_ylim(limits)
    guide = [curve.rms[0] * (n / products[0]) ** 0.5 for n in products]
    axes.plot(products, guide, color=theme.muted, linewidth=1, linestyle=":")
    axes.plot(products, curve.bound, color=theme.accent, linewidth=2)
    axes.plot(
        products, curve.worst, color=theme.diverging[-1], linewidth=2, marker="o", markersize=3
    )
    axes.plot(products, curve.rms, color=theme.diverging[0], linewidth=2, marker="o", markersize=3)


def _label(axes: Axes, first_column: bool, last_row: bool, theme: Theme) -> None:
    low, high = axes.get_ylim()
    powers = range(ceil(log10(low)), int(log10(high)) + 1)
    axes.set_yticks([10.0**power for power in powers if power % 2 == 0])
    axes.minorticks_off()
    axes.tick_params(colors=theme.muted, labelsize=9, length=0, labelleft=first_column,
                     labelbottom=last_row)  # fmt: skip
    axes.grid(color=theme.line, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
