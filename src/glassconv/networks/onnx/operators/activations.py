"""Activations: PyTorch's layers where there is one, so that the rest of the package sees them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from glassconv.networks.onnx.layers import with_weights
from glassconv.networks.onnx.node import Call, Node, call

SIXTH = float(np.float32(1 / 6))  # attributes are float32
SELU = (float(np.float32(1.6732632423543772)), float(np.float32(1.0507009873554805)))
EXACT_FROM = 40.0  # softplus(x) is x: exp(-40) is below half an ulp of 40 in float64
FIRST_SOFTMAX = 13  # earlier versions see a matrix, whose rows are the axes from `axis` on


def layer(make: Callable[[], nn.Module]) -> Callable[[Node], Call]:
    """Return the converter to a layer without attributes."""
    return lambda node: call(make(), node.value(0))


def prelu(node: Node) -> Call:
    """Return nn.PReLU if there is a slope for all or for each channel, or a function."""
    slope = node.constant(1)
    if slope is not None and slope.is_floating_point():
        channels = slope.shape[0] if slope.ndim else 1
        is_each_channels = slope.numel() == channels and slope.ndim + 1 == node.rank(0)
        if slope.numel() == 1 or is_each_channels:
            weight = nn.Parameter(slope.detach().reshape(-1))
            module = nn.PReLU(slope.numel(), device="meta")
            return call(with_weights(module, weight=weight), node.value(0))
    return call(sloped, *node.values)


def sloped(input: Tensor, slope: Tensor) -> Tensor:
    """Multiply what is negative with a slope that is broadcast."""
    return torch.where(input < 0, input * slope, input)


def selu(node: Node) -> Call:
    """Return nn.SELU, or for other constants the ELU and a factor."""
    alpha, gamma = node.get("alpha", SELU[0]), node.get("gamma", SELU[1])
    if (alpha, gamma) == SELU:
        return call(nn.SELU(), node.value(0))
    return call(torch.mul, call(nn.ELU(alpha), node.value(0)), gamma)


def hard_sigmoid(node: Node) -> Call:
    """Return nn.Hardsigmoid, whose slope is 1/6, or a function."""
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if (alpha, beta) == (SIXTH, 0.5):
        return call(nn.Hardsigmoid(), node.value(0))
    return call(clamped_line, node.value(0), alpha=alpha, beta=beta)


def clamped_line(input: Tensor, *, alpha: float, beta: float) -> Tensor:
    """Return alpha · input + beta, between 0 and 1."""
    return (alpha * input + beta).clamp(0, 1)


def swish(node: Node) -> Call:
    """Return nn.SiLU, or a function for another alpha than 1."""
    alpha: float = node.get("alpha", 1.0)
    return call(nn.SiLU(), node.value(0)) if alpha == 1 else call(gated, node.value(0), alpha=alpha)


def gated(input: Tensor, *, alpha: float) -> Tensor:
    """Return input · sigmoid(alpha · input)."""
    return input * torch.sigmoid(alpha * input)


def clip(node: Node) -> Call:
    """Return nn.ReLU6, or PyTorch's clamp; the limits were attributes before version 11."""
    limits = [node.numbers(index) for index in (1, 2)]
    if node.version < 11:
        limits = [(node.get(name, None),) for name in ("min", "max")]
    low, high = (limit[0] if isinstance(limit, tuple) else limit for limit in limits)
    if (low, high) == (0, 6) and isinstance(low, float):
        return call(nn.ReLU6(), node.value(0))
    return call(clipped, node.value(0), low, high)


def clipped(input: Tensor, low: Tensor | float | None, high: Tensor | float | None) -> Tensor:
    """Return max(input, low), then min of that and high: high wins where it is below low."""
    if low is not None:
        input = input.clamp(min=low)
    return input if high is None else input.clamp(max=high)


def shrink(node: Node) -> Call:
    """Return a function: what is further from 0 than lambd moves towards it by bias."""
    return call(shrunk, node.value(0), lambd=node.get("lambd", 0.5), bias=node.get("bias", 0.0))


def shrunk(input: Tensor, *, lambd: float, bias: float) -> Tensor:
    """Return input + bias below −lambd, input − bias above lambd, 0 between."""
    above = torch.where(input > lambd, input - bias, 0)
    return torch.where(input < -lambd, input + bias, above).to(input.dtype)


def along_axis(
    make: Callable[[int], nn.Module], rows: Callable[..., Tensor]
) -> Callable[[Node], Call]:
    """Return the converter of Softmax and what is like it: a layer, or a function of rows."""

    def convert(node: Node) -> Call:
        if node.version < FIRST_SOFTMAX:
            return call(rows, node.value(0), axis=node.get("axis", 1))
        return call(make(node.get("axis", -1)), node.value(0))

    return convert


def softmax_of_rows(input: Tensor, *, axis: int) -> Tensor:
    """Return the softmax of a matrix, whose columns are the axes from `axis` on."""
    return input.flatten(axis % input.ndim).softmax(-1).reshape(input.shape)


def log_softmax_of_rows(input: Tensor, *, axis: int) -> Tensor:
    """Return the logarithm of the softmax of a matrix."""
    return input.flatten(axis % input.ndim).log_softmax(-1).reshape(input.shape)


def hardmax(node: Node) -> Call:
    """Return a function: 1 at the first largest element along an axis, 0 elsewhere."""
    is_old = node.version < FIRST_SOFTMAX
    return call(
        one_at_largest, node.value(0), axis=node.get("axis", 1 if is_old else -1), rows=is_old
    )


def one_at_largest(input: Tensor, *, axis: int, rows: bool) -> Tensor:
    """Return 1 at the first largest element along an axis, or of each row."""
    elements, along = (input.flatten(axis % input.ndim), -1) if rows else (input, axis)
    places = elements.argmax(along, keepdim=True)
    return torch.zeros_like(elements).scatter(along, places, 1).reshape(input.shape)


CONVERTERS = {
    "Relu": layer(nn.ReLU),
    "LeakyRelu": lambda node: call(nn.LeakyReLU(node.get("alpha", 0.01)), node.value(0)),
    "PRelu": prelu,
    "Elu": lambda node: call(nn.ELU(node.get("alpha", 1.0)), node.value(0)),
    "Selu": selu,
    "Celu": lambda node: call(nn.CELU(node.get("alpha", 1.0)), node.value(0)),
    "Gelu": lambda node: call(nn.GELU(node.get("approximate", "none")), node.value(0)),
    "Sigmoid": layer(nn.Sigmoid),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": layer(nn.Hardswish),
    "Swish": swish,
    "Tanh": layer(nn.Tanh),
    "Softplus": lambda node: call(nn.Softplus(threshold=EXACT_FROM), node.value(0)),
    "Softsign": layer(nn.Softsign),
    "ThresholdedRelu": lambda node: call(nn.Threshold(node.get("alpha", 1.0), 0.0), node.value(0)),
    "Mish": layer(nn.Mish),
    "Softmax": along_axis(nn.Softmax, softmax_of_rows),
    "LogSoftmax": along_axis(nn.LogSoftmax, log_softmax_of_rows),
    "Hardmax": hardmax,
    "Clip": clip,
    "Shrink": shrink,
}
