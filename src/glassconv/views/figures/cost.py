"""The cost of every algorithm for a problem as bars, and the reasons of unsupported ones."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassconv.reports.explanation import AlgorithmFacts, Explanation
from glassconv.views.figures import style
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import size

LEFT, TOP = 0.75, 2.0  # inches, as all lengths here
NAMES = 1.65
ROW = 0.34
PANEL, VALUE, GAP = 1.75, 0.85, 0.3  # a bar, its value, and the gap to the next
LINE = 0.24
WRAP = 118  # characters of a line of reasons


@dataclass(frozen=True)
class Bar:
    """The cost of one algorithm that supports the problem; times are in seconds."""

    name: str
    multiplications: int
    additions: int
    workspace_bytes: int
    arithmetic: float
    memory: float
    overhead: float

    @property
    def seconds(self) -> float:
        """Return the predicted time."""
        return self.arithmetic + self.memory + self.overhead


def draw(facts: Explanation, theme: Theme) -> Figure:
    """Draw a row per algorithm: the one that runs, then in order of predicted time."""
    bars = sorted(
        filter(None, map(_bar, facts.algorithms)),
        key=lambda each: (each.name != facts.chosen, each.seconds),
    )
    reasons = _reasons(facts.algorithms)
    rows = len(bars) * ROW
    width = LEFT + NAMES + 4 * (PANEL + VALUE + GAP) + 0.2
    figure = style.new_figure(width, TOP + rows + 0.75 + len(reasons) * LINE + 0.3, theme)

    title = _title(bars, facts.arithmetic.macs, facts.chosen)
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    subtitle = (
        f"{facts.shorthand}: what each algorithm costs as readable steps, not as a compiled kernel"
    )
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)

    for number, bar in enumerate(bars):
        middle = TOP + (number + 0.5) * ROW
        runs = bar.name == facts.chosen
        style.write(figure, LEFT, middle, bar.name, theme, va="center", family=style.MONO,
                    fontsize=10, color=theme.accent if runs else theme.ink,
                    weight="bold" if runs else "normal")  # fmt: skip

    panels: list[tuple[str, Callable[[Bar], float], Callable[[float], str]]] = [
        ("multiplications", lambda each: each.multiplications, _counted),
        ("additions", lambda each: each.additions, _counted),
        ("workspace", lambda each: each.workspace_bytes, size),
    ]
    for number, (name, value, written) in enumerate(panels):
        left = LEFT + NAMES + number * (PANEL + VALUE + GAP)
        style.write(figure, left, TOP - 0.36, name, theme, fontsize=12, weight="bold")
        axes = _bar_axes(figure, left, rows, max(map(value, bars)), len(bars))
        axes.barh(range(len(bars)), list(map(value, bars)), 0.62, color=theme.diverging[1])
        _write_values(figure, left, [written(value(each)) for each in bars], theme)
    _draw_times(figure, LEFT + NAMES + 3 * (PANEL + VALUE + GAP), bars, facts, theme)

    for number, line in enumerate(reasons):
        style.write(figure, LEFT, TOP + rows + 0.75 + number * LINE, line, theme, color=theme.muted,
                    fontsize=9.5)  # fmt: skip
    return figure


def _title(bars: Sequence[Bar], macs: int, chosen: str | None) -> str:
    fewest = min(bars, key=lambda each: each.multiplications)
    times = macs / max(fewest.multiplications, 1)
    runs = f"; glassconv runs {chosen}" if chosen else ""
    if times < 1.05:
        return f"No algorithm saves multiplications{runs}"
    return f"{fewest.name} needs {times:.1f} × fewer multiplications{runs}"


def _draw_times(
    figure: Figure, left: float, bars: Sequence[Bar], facts: Explanation, theme: Theme
) -> None:
    """Draw the predicted time, split into arithmetic, memory and overhead."""
    parts: list[tuple[str, str, Callable[[Bar], float]]] = [
        ("arithmetic", theme.diverging[1], lambda each: each.arithmetic),
        ("memory", theme.diverging[3], lambda each: each.memory),
        ("overhead", theme.muted, lambda each: each.overhead),
    ]
    style.write(
        figure, left, TOP - 0.62, "predicted time of the steps", theme, fontsize=12, weight="bold"
    )
    place = left
    for name, colour, _ in parts:
        style.write(figure, place, TOP - 0.32, f"■ {name}", theme, color=colour, fontsize=9)
        place += 0.066 * len(name) + 0.36
    rows = len(bars) * ROW
    axes = _bar_axes(figure, left, rows, max(each.seconds for each in bars), len(bars))
    start = [0.0] * len(bars)
    for _, colour, value in parts:
        widths = list(map(value, bars))
        axes.barh(range(len(bars)), widths, 0.62, left=start, color=colour)
        start = [before + width for before, width in zip(start, widths, strict=True)]
    _write_values(figure, left, [_duration(each.seconds) for each in bars], theme)
    core = facts.core
    note = (
        f"for an assumed core, not this machine: {core.flops_per_second / 1e9:g} GFLOP/s, "
        f"{core.bytes_per_second / 1e9:g} GB/s, "
        f"{core.seconds_per_operation * 1e6:g} µs per operation"
    )
    right = left + PANEL + VALUE
    style.write(figure, right, TOP + rows + 0.16, note, theme, color=theme.muted, fontsize=9,
                ha="right")  # fmt: skip


def _bar_axes(figure: Figure, left: float, height: float, most: float, rows: int) -> Axes:
    axes = style.add_axes(figure, left, TOP, PANEL, height)
    axes.set_xlim(0, most or 1)
    axes.set_ylim(rows - 0.5, -0.5)
    return axes


def _write_values(figure: Figure, left: float, written: Sequence[str], theme: Theme) -> None:
    for number, text in enumerate(written):
        middle = TOP + (number + 0.5) * ROW
        style.write(figure, left + PANEL + 0.1, middle, text, theme, va="center", fontsize=9.5)


def _bar(facts: AlgorithmFacts) -> Bar | None:
    if facts.cost is None or facts.prediction is None:
        return None
    seconds = facts.prediction.seconds
    return Bar(
        name=facts.name,
        multiplications=facts.cost.multiplications,
        additions=facts.cost.additions,
        workspace_bytes=facts.cost.workspace_bytes,
        arithmetic=facts.prediction.arithmetic * seconds,
        memory=facts.prediction.memory * seconds,
        overhead=facts.prediction.overhead * seconds,
    )


def _reasons(algorithms: Sequence[AlgorithmFacts]) -> list[str]:
    """Return a line for each algorithm that is unsupported or not selected by default."""
    reasons = []
    for each in algorithms:
        if not each.supported:
            reasons.append(f"{each.name} is not supported: {each.supported.reason}")
        elif not each.runs:
            reasons.append(f"{each.name} is not selected by default: {each.runs.reason}")
    return [line for text in reasons for line in textwrap.wrap(text, WRAP)]


def _counted(count: float) -> str:
    """Write a count in thousands, millions or billions."""
    for unit in ("", "k", "M", "G"):
        if count < 1000:
            return f"{count:.4g} {unit}".rstrip()
        count /= 1000
    return f"{count:.4g} T"


def _duration(seconds: float) -> str:
    """Write a time in seconds, milliseconds or microseconds."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
