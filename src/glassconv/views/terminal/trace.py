"""The arrays of a trace, or of both gradients, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from glassconv.reports.trace import Backward, Step, Trace
from glassconv.views.notation import (
    corner,
    shape,
    size,
)
from glassconv.views.terminal.parts import section


def trace(traced: Trace) -> RenderableType:
    """Return each array of a trace: name, shape, axes, size, and its first elements."""
    return Group(
        Text(f"{traced.algorithm} trace of {traced.subject}", "bold"), "", *_steps(traced.steps)
    )


def backward(both: Backward) -> Iterator[RenderableType]:
    """Yield both gradients, each as a convolution and as a matrix product."""
    yield Text(f"Gradients of {both.problem}, computed with {both.algorithm}", "bold")
    halves = (
        ("Input gradient", both.input_convolution, both.input_steps),
        ("Weight gradient", both.weight_convolution, both.weight_steps),
    )
    for number, (title, convolution, steps) in enumerate(halves, start=1):
        text = Text(f"As a convolution: {convolution}")
        yield from section(number, title, Group(text, "", *_steps(steps)))


def _steps(steps: Sequence[Step]) -> Iterator[RenderableType]:
    for step in steps:
        head = Text.assemble((step.name, "bold"), f"  {shape(step.array.shape)}  ")
        head.append(f"{step.array.dtype}, {size(step.array.nbytes)}", "dim")
        axes = Text(f"axes: {', '.join(step.axes)}", "dim")
        numbers = [Text(line, _style(line)) for line in corner(step.array)]
        yield head
        body = Group(Text(step.note), axes, *numbers)
        yield Padding(body, (0, 0, 1, 2), expand=False)


def _style(line: str) -> str:
    return "dim" if line.startswith("shown") else ""
