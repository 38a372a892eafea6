"""Explain a layer or a problem from its shapes: nothing is executed, no array is made."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from glassconv.dispatch.array_boundary import dtype_name
from glassconv.errors import ArgumentError, ArgumentTypeError, DtypeError, UnsupportedError
from glassconv.explanation.facts import derive
from glassconv.explanation.network import NetworkReport, derive_network, stack_shape
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import problem_of, whole
from glassconv.problem.problem import Problem, parse_problem
from glassconv.problem.shorthand import EXAMPLE
from glassconv.problem.transposed import TransposedProblem, transposed_of
from glassconv.reports.array import Array
from glassconv.reports.explanation import Explanation

if TYPE_CHECKING:
    from rich.console import RenderableType

Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d
TransposedLayer = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Subject = str | Problem | nn.Module
STEPS = ("stride", "padding", "dilation", "groups")
Input = Sequence[int] | Array | Tensor  # a shape, or an array that has one


@overload
def explain(subject: str | Problem, input: None = None) -> Report: ...
@overload
def explain(subject: nn.Sequential, input: Input | None = None) -> NetworkReport: ...
@overload
def explain(subject: nn.Module, input: Input | None = None) -> Report | NetworkReport: ...
def explain(subject: Subject, input: Input | None = None) -> Report | NetworkReport:
    """Return what can be said about a convolution, or a stack of layers, without running it.

    subject: a problem, transposed or not, as an object or in shorthand; a layer of PyTorch; or an
        `nn.Sequential` of convolutions, activations and pooling.
    input: for a layer, the shape [batch, in_channels, *input_size], or an array of that shape.

    A layer with a `padding_mode` other than "zeros" is explained as two layers: an explicit pad,
    and the convolution without padding.

    Raises `ArgumentError` for a layer without an input or a problem with one, `UnsupportedError`
    for a layer that is not understood, `ArgumentTypeError` for what is neither; and what `parse`
    and `problem_of` raise.

    >>> report = explain("64x56x56 64@3x3 p1")
    >>> report.facts.arithmetic.macs
    115605504
    >>> explain(nn.Conv2d(64, 64, 3, padding=1), [1, 64, 56, 56]) == report
    True
    """
    if isinstance(subject, nn.Module):
        request = f"explain({subject!r})"
        padded = isinstance(subject, Layer | TransposedLayer) and subject.padding_mode != "zeros"
        if padded or isinstance(subject, nn.Sequential):
            stack = subject if isinstance(subject, nn.Sequential) else nn.Sequential(subject)
            shape = stack_shape(stack, input, request)
            return NetworkReport(derive_network(stack, shape, _without_padding))
        return Report(derive(problem_of_layer(subject, input, request)))
    if not isinstance(subject, str | ConvProblem | TransposedProblem):
        raise ArgumentTypeError(
            f"explain takes a problem such as {EXAMPLE!r}, a ConvProblem, or a layer such as "
            f"nn.Conv2d, not a {type(subject).__name__}"
        )
    problem = parse_problem(subject) if isinstance(subject, str) else subject
    if input is not None:
        cause = "a problem includes its input size: leave `input` out"
        raise ArgumentError(cause, request=str(problem))
    return Report(derive(problem))


@dataclass(frozen=True, repr=False)
class Report:
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

    def __str__(self) -> str:
        """Return the text, 80 columns wide and without colours."""
        from glassconv.views.terminal.text import plain

        return plain(self)

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


def _without_padding(layer: nn.Module, shape: tuple[int, ...], request: str) -> Problem:
    """Return the problem of a layer in a stack, where padding that is not of zeros is a layer."""
    if getattr(layer, "padding_mode", "zeros") == "zeros":
        return problem_of_layer(layer, shape, request)
    bare: Any = copy(layer)
    bare.padding_mode, bare.padding = "zeros", (0,) * (len(shape) - 2)
    return problem_of_layer(bare, shape, request)


def problem_of_layer(layer: nn.Module, input: Input | None, request: str) -> Problem:
    """Return the problem that a layer solves on an input; a refusal repeats the request."""
    if not isinstance(layer, Layer | TransposedLayer):
        cause = (
            "only the layers nn.Conv1d, 2d and 3d and nn.ConvTranspose1d, 2d and 3d are explained"
        )
        raise UnsupportedError(cause, request=request)
    if layer.padding_mode != "zeros":
        cause = (
            f"it pads with {layer.padding_mode!r}, and only padding with zeros is supported here"
        )
        raise UnsupportedError(cause, request=request)
    if is_lazy(layer.weight):
        cause = "it is lazy: its weight has no shape until the layer has run once"
        raise UnsupportedError(cause, request=request)
    sizes = ", ".join(["1", str(layer.in_channels), *["32"] * (layer.weight.dim() - 2)])
    if input is None:
        cause = "a layer does not say how large its input is: give its shape as `input`, such as "
        raise ArgumentError(f"{cause}[{sizes}]", request=request)
    shape = _shape(input, layer.weight, request)
    bias_shape = None if layer.bias is None else layer.bias.shape
    steps: dict[str, Any] = {name: getattr(layer, name) for name in STEPS}
    steps["dtype"] = dtype_name(layer.weight)
    if isinstance(layer, TransposedLayer):
        steps["output_padding"] = layer.output_padding
        return transposed_of(shape, layer.weight.shape, bias_shape, **steps)
    return problem_of(shape, layer.weight.shape, bias_shape, **steps)


def _shape(input: Input, weight: Tensor, request: str) -> tuple[int, ...]:
    """Return the shape that is given, or that of the array that is given."""
    if isinstance(input, np.ndarray | Tensor):
        if dtype_name(input) != dtype_name(weight):
            cause = f"the layer computes in {dtype_name(weight)}, the input is {dtype_name(input)}"
            raise DtypeError(cause, request=request)
        return tuple(input.shape)
    if isinstance(input, str) or not isinstance(input, Sequence):
        cause = f"`input` is a shape or an array, not a {type(input).__name__}"
        raise ArgumentTypeError(cause, request=request)
    return tuple(whole("each size of `input`", size) for size in input)
