"""Operators that compute each element by itself; their inputs are broadcast as NumPy's are."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from glassconv.networks.onnx.node import Call, Node, call
from glassconv.networks.onnx.tensors import dtype_of


def function(called: Callable[..., Tensor]) -> Callable[[Node], Call]:
    """Return the converter to a function of all inputs."""
    return lambda node: call(called, *node.values)


def divided(first: Tensor, second: Tensor) -> Tensor:
    """Return first / second; integers are rounded towards 0."""
    if first.dtype.is_floating_point:
        return first / second
    return torch.div(first, second, rounding_mode="trunc")


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """Return the power in the base's element type."""
    return torch.pow(base, exponent).to(base.dtype)


def modulo(node: Node) -> Call:
    """Return C's fmod, or the remainder that has the divisor's sign."""
    return call(torch.fmod if node.get("fmod", 0) else torch.remainder, *node.values)


def largest(*inputs: Tensor) -> Tensor:
    """Return the largest of the inputs."""
    return reduce(torch.maximum, inputs)


def smallest(*inputs: Tensor) -> Tensor:
    """Return the smallest of the inputs."""
    return reduce(torch.minimum, inputs)


def added(*inputs: Tensor) -> Tensor:
    """Return the sum of the inputs."""
    return reduce(torch.add, inputs)


def mean(*inputs: Tensor) -> Tensor:
    """Return the mean of the inputs."""
    return added(*inputs) / len(inputs)


def is_infinite(node: Node) -> Call:
    """Return a function for one or both signs of infinity."""
    signs = {
        "positive": node.get("detect_positive", 1) == 1,
        "negative": node.get("detect_negative", 1) == 1,
    }
    return call(infinite, node.value(0), **signs)


def infinite(input: Tensor, *, positive: bool, negative: bool) -> Tensor:
    """Return where the input is infinite."""
    found = torch.zeros_like(input, dtype=torch.bool)
    if positive:
        found = found | torch.isposinf(input)
    return found | torch.isneginf(input) if negative else found


def shifted(node: Node) -> Call:
    """Return PyTorch's shift to the left or right."""
    left = node.one_of("direction", "", ("LEFT", "RIGHT")) == "LEFT"
    return call(torch.bitwise_left_shift if left else torch.bitwise_right_shift, *node.values)


def cast(node: Node) -> Call:
    """Return the input in another element type."""
    return call(converted, node.value(0), dtype_of(node.get("to", 0), "its result"))


def converted(input: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the input in another element type."""
    return input.to(dtype)


def cast_like(input: Tensor, other: Tensor) -> Tensor:
    """Return the input in the element type of another."""
    return input.to(other.dtype)


CONVERTERS = {
    "Add": function(torch.add),
    "Sub": function(torch.sub),
    "Mul": function(torch.mul),
    "Div": function(divided),
    "Pow": function(power),
    "Mod": modulo,
    "Max": function(largest),
    "Min": function(smallest),
    "Sum": function(added),
    "Mean": function(mean),
    "Abs": function(torch.abs),
    "Neg": function(torch.neg),
    "Sign": function(torch.sign),
    "Sqrt": function(torch.sqrt),
    "Reciprocal": function(torch.reciprocal),
    "Exp": function(torch.exp),
    "Log": function(torch.log),
    "Erf": function(torch.erf),
    "Floor": function(torch.floor),
    "Ceil": function(torch.ceil),
    "Round": function(torch.round),  # half to even, both
    "Sin": function(torch.sin),
    "Cos": function(torch.cos),
    "Tan": function(torch.tan),
    "Asin": function(torch.asin),
    "Acos": function(torch.acos),
    "Atan": function(torch.atan),
    "Sinh": function(torch.sinh),
    "Cosh": function(torch.cosh),
    "Asinh": function(torch.asinh),
    "Acosh": function(torch.acosh),
    "Atanh": function(torch.atanh),
    "And": function(torch.logical_and),
    "Or": function(torch.logical_or),
    "Xor": function(torch.logical_xor),
    "Not": function(torch.logical_not),
    "BitwiseAnd": function(torch.bitwise_and),
    "BitwiseOr": function(torch.bitwise_or),
    "BitwiseXor": function(torch.bitwise_xor),
    "BitwiseNot": function(torch.bitwise_not),
    "BitShift": shifted,
    "Equal": function(torch.eq),
    "Greater": function(torch.gt),
    "GreaterOrEqual": function(torch.ge),
    "Less": function(torch.lt),
    "LessOrEqual": function(torch.le),
    "IsNaN": function(torch.isnan),
    "IsInf": is_infinite,
    "Where": function(torch.where),
    "Cast": cast,
    "CastLike": function(cast_like),
}
