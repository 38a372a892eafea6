"""A network's tuning in a terminal: a row for each problem as soon as it is timed."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.tuning import NetworkTuning, TunedProblem
from glassconv.views.network_words import problem_text
from glassconv.views.terminal.parts import table

COLUMNS = (
    "×: how often the network has the problem; kernel: the one that its plan takes from now on; "
    "ratio: how many times as fast as PyTorch's convolution it is."
)


def tuning_table(report: NetworkTuning) -> RenderableType:
    """Return the problems that are timed, and how many are left."""
    rows = table("problem", "×", "kernel", "ratio", "next", left=("problem", "kernel", "next"))
    rows.columns[0].no_wrap, rows.columns[0].overflow = False, "fold"
    for each in report.tuned:
        rows.add_row(*_row(each))
    changed = sum(each.before != each.after for each in report.tuned)
    done = len(report.tuned)
    state = f"{done} of {report.problems} problems timed, {changed} with another kernel than before"
    return Group(
        Text(report.model, "bold"),
        Text(report.how, "dim"),
        Text(COLUMNS, "dim"),
        rows,
        Text(state),
    )


def _row(tuned: TunedProblem) -> tuple[str | Text, ...]:
    ratios = dict(tuned.ratios)
    others = (f"{name} {ratio:.2f}" for name, ratio in tuned.ratios if name != tuned.after)
    is_new = tuned.before != tuned.after
    return (
        problem_text(str(tuned.problem)),
        str(len(tuned.steps)),
        Text(f"{tuned.before} → {tuned.after}" if is_new else tuned.after, "green" * is_new),
        f"{ratios[tuned.after]:.2f}" if tuned.after in ratios else "",
        next(others, ""),
    )
