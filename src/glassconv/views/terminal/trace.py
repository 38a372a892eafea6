"""Every array of a trace, or of both gradients, as text."""

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
    """Return every array of a trace: name, shape with its axes named, size, and its corner."""
    return Group(
        Text(f"{traced.subject}  by {traced.algorithm}", "bold"), "", *_steps(traced.steps)
    )


def backward(both: Backward) -> Iterator[RenderableType]:
    """Yield the two gradients of a convolution: each as a convolution, and as a product."""
    yield Text(f"{both.problem}  backwards, by {both.algorithm}", "bold")
    halves = (
        ("The gradient of the input", both.input_convolution, both.input_steps),
        ("The gradient of the weight", both.weight_convolution, both.weight_steps),
    )
    for place, (title, convolution, steps) in enumerate(halves, start=1):
        said = Text(f"is a convolution too: {convolution}")
        yield from section(place, title, Group(said, "", *_steps(steps)))


def _steps(steps: Sequence[Step]) -> Iterator[RenderableType]:
    for step in steps:
        head = Text.assemble((step.name, "bold"), f"  {shape(step.array.shape)}  ")
        head.append(f"{step.array.dtype}, {size(step.array.nbytes)}", "dim")
        axes = Text(" × ".join(step.axes), "dim")
        yield head
        body = Group(Text(step.note), axes, *map(Text, corner(step.array)))
        yield Padding(body, (0, 0, 1, 2), expand=False)
