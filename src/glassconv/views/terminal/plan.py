"""A network's plan in a terminal: its passes, its steps with their times, its memory and errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from glassconv.reports.plan import PlanReport, StepFacts
from glassconv.views.network_words import bytes_text
from glassconv.views.notation import duration, number_of, shape, small
from glassconv.views.terminal.layers import fitted, table_of
from glassconv.views.terminal.parts import pairs, section

WIDE = 120  # columns of a terminal that show buffers, errors and problems as well
COLUMNS = (
    "Predicted and time: of the step by itself, in a whole run; util: its share of what the "
    "roofline allows for the convolution, whose FLOPs are counted as the definition's; error: the "
    "largest one of its output over its largest value, against float64; eager: PyTorch's own."
)
BUFFERS = "Buffer: the offset in the arena; output, result: new memory in each call."
PYTORCH = "PyTorch"


class PlanView:
    """A plan's report, which has more columns in a wide terminal."""

    def __init__(self, report: PlanReport) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _parts(self.report, is_wide=options.max_width >= WIDE)


def _parts(report: PlanReport, *, is_wide: bool) -> Iterator[RenderableType]:
    inputs = ", ".join(map(shape, report.input_shapes))
    outputs = ", ".join(map(shape, report.output_shapes))
    yield Text(report.model, "bold")
    yield Text(f"{inputs} → {outputs}")
    threads = number_of(report.threads, "thread")
    yield Text(f"{len(report.steps)} steps, {report.layout}, {threads}, {duration(report.seconds)}")
    yield ""
    bodies = {
        "Passes": _passes(report),
        "Steps": _steps(report, is_wide=is_wide),
        "Memory": _memory(report),
        "Errors": _errors(report),
    }
    for place, (title, body) in enumerate(bodies.items(), start=1):
        yield from section(place, title, body)


def _passes(report: PlanReport) -> RenderableType:
    table = table_of("pass", "before", "after", left=("pass",))
    for each in report.passes:
        table.add_row(each.name, f"{each.before:,}", f"{each.after:,}")
    return Group(table, Text("Operations of the network.", "dim"))


def _steps(report: PlanReport, *, is_wide: bool) -> RenderableType:
    names = ["step", "kernel", "predicted", "time", "util", "error", "eager"]
    if is_wide:
        names[2:2] = ["problem", "buffer", "bytes"]
    rows = [_row(each, is_wide=is_wide) for each in report.steps]
    table = table_of(*names, left=("step", "kernel", "problem", "buffer"), gap=1 + is_wide)
    for row in rows if is_wide else fitted(rows, names):
        table.add_row(*row)
    kept = {(each.kernel, each.reason) for each in report.steps if each.reason}
    apart = sum(each.seconds for each in report.steps)
    limits = report.roofline
    return Group(
        table,
        Text(COLUMNS, "dim"),
        *([Text(BUFFERS, "dim")] if is_wide else []),
        *_concatenations(report),
        *(Text(f"{PYTORCH} computes {kernel}: {reason}", "dim") for kernel, reason in sorted(kept)),
        pairs(
            ("a call", f"{duration(report.seconds)}; steps one by one {duration(apart)}"),
            (
                "roofline",
                f"{limits.flops_per_second / 1e9:,.3g} GFLOP/s, "
                f"{limits.bytes_per_second / 1e9:,.3g} GB/s, measured just now",
            ),
        ),
    )


def _row(step: StepFacts, *, is_wide: bool) -> list[str]:
    layer = step.layer
    wide = [step.problem.removesuffix(" nobias"), _buffer(step), bytes_text(step.bytes)]
    return [
        step.name,
        PYTORCH if step.reason and not is_wide else step.kernel,
        *(wide if is_wide else ()),
        "" if step.predicted_seconds is None else duration(step.predicted_seconds),
        duration(step.seconds),
        "" if step.roofline_share is None else f"{100 * step.roofline_share:.0f} %",
        *(("", "") if layer is None else (_error(layer.error), _error(layer.pytorch_error))),
    ]


def _error(value: float) -> str:
    return f"{value:.0e}" if value else "0"


def _buffer(step: StepFacts) -> str:
    return step.memory if step.offset is None else f"{step.offset:,}"


def _concatenations(report: PlanReport) -> Iterator[RenderableType]:
    """Yield a line for each concatenation that is one buffer."""
    written = Counter(each.concatenation for each in report.steps if each.concatenation)
    for name, count in written.items():
        steps = "1 step writes" if count == 1 else f"{count} steps write"
        yield Text(f"{name} is one buffer: {steps} into its slices", "dim")


def _memory(report: PlanReport) -> RenderableType:
    memory = report.memory
    return pairs(
        ("parameters, buffers", f"{bytes_text(memory.parameters)} of the original"),
        ("packed weights", bytes_text(memory.packed)),
        ("arena", f"{bytes_text(memory.arena)}, the kernels' workspace included"),
        ("inputs", bytes_text(memory.inputs)),
        ("outputs", f"{bytes_text(memory.results)}, and results of PyTorch's operations"),
        ("predicted peak", bytes_text(memory.peak)),
    )


def _errors(report: PlanReport) -> RenderableType:
    notes = [Text(report.unknown_error, "dim")] if report.unknown_error else []
    if report.error is None or report.pytorch_error is None:
        return Group(*notes)
    return Group(
        pairs(
            ("network's error", small(report.error)),
            ("with PyTorch", small(report.pytorch_error)),
            ("allowed", f"{small(report.error_limit)} by accuracy {report.accuracy!r}"),
        ),
        *notes,
    )
