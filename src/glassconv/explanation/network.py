"""Explain a stack of layers from their shapes: nothing is executed, no array is made.

Spatial padding other than zeros ("circular", "reflect", "replicate") is a layer of its own here: an
explicit pad, and then the convolution without padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from torch import nn

from glassconv.errors import ArgumentError, ConvError, UnsupportedError
from glassconv.explanation import torch_layers
from glassconv.explanation.facts import derive
from glassconv.explanation.torch_layers import (
    Input,
    TransposedLayer,
    flat,
    problem_of_layer,
    shape_of,
)
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.receptive_field import Layer, ReceptiveField, receptive_fields
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.network import LayerFacts, NetworkExplanation
from glassconv.reports.shown import Shown

if TYPE_CHECKING:
    from rich.console import RenderableType

Convolution = torch_layers.Layer | TransposedLayer
Pooling = nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d | nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d
Normalisation = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
PassedOver = Normalisation | nn.Identity | nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus,
    nn.Softsign,
)  # fmt: skip


@dataclass(frozen=True)
class _Layer:
    """A layer's facts without its receptive field, and the windows that it reads."""

    facts: LayerFacts
    window: Layer | None  # None after Flatten: there is no axis to read along


@dataclass(frozen=True, repr=False)
class NetworkReport(Shown):
    """The explanation of a stack of layers: a table, and a report for each convolution.

    >>> from glassconv import explain
    >>> report = explain(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2)), [1, 3, 9, 9])
    >>> report.facts.layers[-1].output_shape, report.facts.layers[-1].receptive_field
    ((1, 8, 3, 3), (4, 4))
    >>> NetworkReport.from_json(report.to_json()) == report
    True
    """

    facts: NetworkExplanation

    def __repr__(self) -> str:
        first, last = self.facts.layers[0], self.facts.layers[-1]
        shapes = f"{list(first.input_shape)} → {list(last.output_shape)}"
        return f"<explanation of {len(self.facts.layers)} layers, {shapes}>"

    def __rich__(self) -> RenderableType:
        """Return what rich prints in a terminal."""
        from glassconv.views.terminal.network import explained

        return explained(self.facts)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the table, and each convolution's report to open."""
        from glassconv.views.html.network import fragment

        return fragment(self.facts)

    def to_json(self) -> str:
        """Return a JSON document: the version, and the facts of each layer."""
        from glassconv.views.json.explanation import network_to_json

        return network_to_json(self.facts)

    @classmethod
    def from_json(cls, text: str) -> NetworkReport:
        """Return the report that `to_json` wrote; raises `DataError` for any other document."""
        from glassconv.views.json.explanation import network_from_json

        return cls(network_from_json(text))


def stack_shape(model: nn.Sequential, input: Input | None, request: str) -> tuple[int, ...]:
    """Return the shape [batch, channels, *size] of a stack's input, given as a shape or array."""
    if input is None:
        cause = "a model does not say how large its input is: give its shape as `input`, such as "
        raise ArgumentError(f"{cause}[1, 3, 32, 32]", request=request)
    shape = shape_of(input, request)
    spatial = [module for _, module in flat(model) if isinstance(module, Convolution | Pooling)]
    if not spatial:
        raise UnsupportedError("it has no convolution and no pooling", request=request)
    axes = int(type(spatial[0]).__name__[-2])
    return (1, *shape) if len(shape) == axes + 1 else shape


def derive_network(model: nn.Sequential, shape: Sequence[int]) -> NetworkExplanation:
    """Return what can be said about a model on an input [batch, channels, *size].

    Raises `UnsupportedError`, with the module and its place, for a layer that is not understood.
    """
    layers: list[_Layer] = []
    shape = tuple(shape)
    for name, module in flat(model):
        request = f"explain(nn.Sequential): layer {name!r}, {module!r}"
        try:
            layers += _read(name, module, shape, request)
        except ConvError as error:
            raise error.asked_as(request) from None
        shape = layers[-1].facts.output_shape
    windows = [layer.window for layer in layers if layer.window is not None]
    fields = receptive_fields(windows) if windows else ()
    return NetworkExplanation(
        tuple(_with_field(layer, fields, place) for place, layer in enumerate(layers))
    )


def _with_field(layer: _Layer, fields: Sequence[ReceptiveField], place: int) -> LayerFacts:
    if layer.window is None:
        return layer.facts
    field = fields[place]
    return replace(layer.facts, receptive_field=field.size, jump=tuple(map(float, field.jump)))


def _read(name: str, module: nn.Module, shape: tuple[int, ...], request: str) -> Iterator[_Layer]:
    """Yield what a module is: one layer, or a pad and a convolution."""
    if isinstance(module, nn.Flatten):
        start, end = (dim % len(shape) for dim in (module.start_dim, module.end_dim))
        joined = (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :])
        note = "joins axes; it has no window, and no spatial layer can follow"
        yield _Layer(_facts(name, module, "passed over", shape, joined, note), None)
        return
    if len(shape) < 3:
        raise UnsupportedError(f"its input {list(shape)} has no spatial axes", request=request)
    if isinstance(module, Convolution):
        problem = problem_of_layer(_with_zeros(module), shape, request)
        if isinstance(problem, ConvProblem) and module.padding_mode != "zeros":
            pad = _pad(name, module, shape, problem.padding)
            yield pad
            shape = pad.facts.output_shape
            problem = replace(problem, input_size=shape[2:], padding=((0, 0),) * problem.ndim)
        facts = _facts(name, module, "convolution", shape, problem.output_shape)
        window = Layer(problem.axes, isinstance(problem, TransposedProblem))
        yield _Layer(replace(facts, macs=problem.macs, explanation=derive(problem)), window)
    elif isinstance(module, Pooling):
        yield _pooling(name, module, shape, request)
    elif isinstance(module, ACTIVATIONS):
        yield _Layer(_facts(name, module, "activation", shape, shape), _pointwise(shape))
    elif isinstance(module, PassedOver):
        note = "it changes numbers, not shapes or windows"
        yield _Layer(_facts(name, module, "passed over", shape, shape, note), _pointwise(shape))
    else:
        cause = (
            "it is no convolution, activation, max or average pooling, Flatten, Dropout, "
            "BatchNorm or Identity; explain the layers before it, such as model[:1]"
        )
        raise UnsupportedError(cause, request=request)


def _facts(
    name: str,
    module: nn.Module,
    kind: str,
    shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    note: str = "",
) -> LayerFacts:
    parameters = sum(each.numel() for each in module.parameters())
    return LayerFacts(
        name, repr(module), kind, shape, output_shape, parameters, 0, (), (), note, None
    )


def _pointwise(shape: tuple[int, ...]) -> Layer:
    return Layer(tuple(Axis(size, 1) for size in shape[2:]))


def _with_zeros(layer: Convolution) -> Convolution:
    """Return a convolution's layer as it is, or padding with zeros where it pads otherwise."""
    if layer.padding_mode == "zeros":
        return layer
    other = copy(layer)
    other.padding_mode = "zeros"
    return other


def _pad(
    name: str, module: Any, shape: tuple[int, ...], sides: tuple[tuple[int, int], ...]
) -> _Layer:
    """Return the padding of a layer as a layer; refuse what PyTorch's pad refuses.

    sides: (before, after) of each axis.
    """
    mode = module.padding_mode
    limit = {"reflect": -1, "circular": 0}.get(mode)
    for (before, after), size in zip(sides, shape[2:], strict=True):
        if limit is not None and max(before, after) > size + limit:
            cause = f"{mode} padding of {max(before, after)} needs more than {size} positions"
            raise UnsupportedError(cause)
    padded = tuple(size + sum(pair) for size, pair in zip(shape[2:], sides, strict=True))
    last_first = tuple(size for pair in reversed(sides) for size in pair)
    window = Layer(
        tuple(Axis(size, 1, 1, pair) for size, pair in zip(shape[2:], sides, strict=True))
    )
    facts = LayerFacts(
        name, f"F.pad(x, {last_first}, mode={mode!r})", "pad", shape, (*shape[:2], *padded),
        0, 0, (), (), f"the padding of {type(module).__name__}, which then has padding 0", None,
    )  # fmt: skip
    return _Layer(facts, window)


def _pooling(name: str, module: Any, shape: tuple[int, ...], request: str) -> _Layer:
    axes = len(shape) - 2
    if type(module).__name__[-2] != str(axes):
        raise UnsupportedError(f"its input {list(shape)} has {axes} spatial axes", request=request)
    each = {
        name: _per_axis(getattr(module, name, 1), axes)
        for name in ("kernel_size", "stride", "padding", "dilation")
    }
    windows, sizes = [], []
    for size, kernel, stride, padding, dilation in zip(shape[2:], *each.values(), strict=True):
        axis = Axis(size, kernel, stride, (padding, padding), dilation)
        if axis.extent > axis.padded_size:
            cause = f"its window spans {axis.extent} of {axis.padded_size} positions"
            raise UnsupportedError(cause, request=request)
        up = module.ceil_mode and axis.leftover and axis.output_size * stride < size + padding
        windows.append(axis)
        sizes.append(axis.output_size + bool(up))
    facts = _facts(name, module, "pooling", shape, (*shape[:2], *sizes))
    return _Layer(facts, Layer(tuple(windows)))


def _per_axis(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value) * (axes // len(value))
