"""What computes a layer's output and its gradients in training, in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.gradient_kernels import GradientKernel, GradientKernels
from glassconv.views.notation import duration, number_of
from glassconv.views.terminal.parts import pairs, section


def gradient_kernels(report: GradientKernels) -> RenderableType:
    """Return the report, 80 columns wide."""
    return Group(*_lines(report))


def _lines(report: GradientKernels) -> Iterator[RenderableType]:
    yield Text(str(report.problem), "bold")
    yield Text(f"in training, {report.layout}, {number_of(report.threads, 'thread')}")
    yield ""
    for place, part in enumerate(report.parts, start=1):
        yield from section(place, f"The {part.name}", Group(*_part(part)))


def _part(part: GradientKernel) -> Iterator[RenderableType]:
    computed = f"the kernel {part.kernel}" if part.kernel else "PyTorch"
    ours = "no kernel" if part.seconds is None else duration(part.seconds)
    yield pairs(
        ("convolution", str(part.convolution)),
        ("computed by", computed),
        ("predicted", f"{ours}, PyTorch {duration(part.pytorch_seconds)}"),
    )
    if part.loops:
        yield ""
        yield Text("\n".join(part.loops))
