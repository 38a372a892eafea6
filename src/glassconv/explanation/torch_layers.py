"""Layers of PyTorch: the problem that one solves, and the layers of a model in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from glassconv.dispatch.array_boundary import dtype_name
from glassconv.errors import ArgumentError, ArgumentTypeError, DtypeError, UnsupportedError
from glassconv.problem.arguments import problem_of, whole
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import transposed_of
from glassconv.reports.array import Array

Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d
TransposedLayer = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Input = Sequence[int] | Array | Tensor  # a shape, or an array that has one
STEPS = ("stride", "padding", "dilation", "groups")


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
    if isinstance(input, np.ndarray | Tensor) and dtype_name(input) != dtype_name(layer.weight):
        own, given = dtype_name(layer.weight), dtype_name(input)
        raise DtypeError(f"the layer computes in {own}, the input is {given}", request=request)
    shape = shape_of(input, request)
    bias_shape = None if layer.bias is None else layer.bias.shape
    steps: dict[str, Any] = {name: getattr(layer, name) for name in STEPS}
    steps["dtype"] = dtype_name(layer.weight)
    if isinstance(layer, TransposedLayer):
        steps["output_padding"] = layer.output_padding
        return transposed_of(shape, layer.weight.shape, bias_shape, **steps)
    return problem_of(shape, layer.weight.shape, bias_shape, **steps)


def input_of_network(
    model: nn.Module, input: Input | None, request: str
) -> Tensor | tuple[int, ...]:
    """Return a network's input, an array as a tensor, with a batch axis where that is left out."""
    if input is None:
        cause = "a model does not say how large its input is: give its shape as `input`, such as "
        raise ArgumentError(f"{cause}[1, 3, 32, 32]", request=request)
    shape = shape_of(input, request)
    layers = (each for each in model.modules() if isinstance(each, Layer | TransposedLayer))
    first = next(layers, None)
    is_one = (
        first is not None and not is_lazy(first.weight) and len(shape) == first.weight.dim() - 1
    )
    if not isinstance(input, np.ndarray | Tensor):
        return (1, *shape) if is_one else shape
    tensor = torch.as_tensor(input)
    return tensor[None] if is_one else tensor


def shape_of(input: Input, request: str) -> tuple[int, ...]:
    """Return the shape that is given, or that of the array that is given."""
    given = input.shape if isinstance(input, np.ndarray | Tensor) else input
    if isinstance(given, str) or not isinstance(given, Sequence):
        cause = f"`input` is a shape or an array, not a {type(input).__name__}"
        raise ArgumentTypeError(cause, request=request)
    return tuple(whole("each size of `input`", size) for size in given)


def flat(model: nn.Sequential, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a model with their names, those of nested `nn.Sequential`s too.

    >>> [name for name, _ in flat(nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU()))]
    ['0.0', '1']
    """
    for name, layer in model.named_children():
        if isinstance(layer, nn.Sequential):
            yield from flat(layer, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", layer
