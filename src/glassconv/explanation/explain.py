"""Explain a problem, a layer or a network from shapes: nothing is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from torch import nn

from glassconv.dispatch.devices import CPU, META
from glassconv.errors import ArgumentError, ArgumentTypeError
from glassconv.explanation.facts import derive
from glassconv.explanation.network import NetworkReport, explain_network
from glassconv.explanation.torch_layers import (
    Input,
    Layer,
    TransposedLayer,
    input_of_network,
    problem_of_layer,
)
from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem, as_problem
from glassconv.problem.shorthand import EXAMPLE
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.explanation import Explanation
from glassconv.reports.shown import Shown

if TYPE_CHECKING:
    from rich.console import RenderableType

Subject = str | Problem | nn.Module


@overload
def explain(subject: str | Problem, input: None = None) -> Report: ...
@overload
def explain(subject: nn.Sequential, input: Input | None = None) -> NetworkReport: ...
@overload
def explain(subject: nn.Module, input: Input | None = None) -> Report | NetworkReport: ...
def explain(subject: Subject, input: Input | None = None) -> Report | NetworkReport:
    """Return what can be said about a convolution, a layer or a network without running it.

    subject: a problem, transposed or not, as an object or in shorthand; a layer of PyTorch; or a
        network: any other module.
    input: for a layer or a network, the shape [batch, in_channels, *input_size], or an array of
        that shape.

    A layer with a `padding_mode` other than "zeros" is explained as a network of two operations: a
    pad, and the convolution without padding. A layer on a GPU is explained for that GPU; one on
    meta, which has shapes only, for the CPU. A network is explained as it evaluates, and is run
    only where its control flow depends on numbers; the report says so.

    Raises `ArgumentError` for a layer without an input or a problem with one, `UnsupportedError`
    for a network without a convolution, `NetworkError` for one that cannot be run on this input,
    `ArgumentTypeError` for what is none of these; and what `parse` and `problem_of` raise.

    >>> report = explain("64x56x56 64@3x3 p1")
    >>> report.facts.arithmetic.macs
    115605504
    >>> explain(nn.Conv2d(64, 64, 3, padding=1), [1, 64, 56, 56]) == report
    True
    """
    if isinstance(subject, nn.Module):
        if isinstance(subject, Layer | TransposedLayer) and subject.padding_mode == "zeros":
            problem = problem_of_layer(subject, input, f"explain({subject!r})")
            return Report(derive(problem, _device(subject)))
        request = f"explain({type(subject).__name__})"
        return explain_network(subject, input_of_network(subject, input, request))
    if not isinstance(subject, str | ConvProblem | TransposedProblem):
        raise ArgumentTypeError(
            f"explain takes a problem such as {EXAMPLE!r}, a ConvProblem, a layer such as "
            f"nn.Conv2d, or a network, not a {type(subject).__name__}"
        )
    problem = as_problem(subject)
    if input is not None:
        cause = "a problem includes its input size: leave `input` out"
        raise ArgumentError(cause, request=str(problem))
    return Report(derive(problem))


def _device(layer: nn.Module) -> str:
    device = next(layer.parameters()).device
    return CPU if device.type == META else str(device)


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """An explanation that shows itself: as text, in a notebook, or as JSON.

    >>> report = explain("3x32x32 4@5x5")
    >>> report
    explain('1x3x32x32 4@5x5 s1 p0')
    >>> Report.from_json(report.to_json()) == report
    True
    """

    facts: Explanation

    def __repr__(self) -> str:
        return f"explain({self.facts.shorthand!r})"

    def __rich__(self) -> RenderableType:
        """Return what rich prints in a terminal."""
        from glassconv.views.terminal.explanation import explained

        return explained(self.facts)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from glassconv.views.html.explanation import fragment

        return fragment(self.facts)

    def to_json(self) -> str:
        """Return a document of the schema in glassconv/reports/explain.schema.json."""
        from glassconv.views.json.explanation import to_json

        return to_json(self.facts)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` wrote; raises `DataError` for any other document."""
        from glassconv.views.json.explanation import from_json

        return cls(from_json(text))
