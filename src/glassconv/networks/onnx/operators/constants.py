"""Values that no input has: constants, and tensors filled by a rule."""

from __future__ import annotations

import torch
from torch import Tensor

from glassconv.errors import UnsupportedError
from glassconv.networks.onnx.integers import Integers, integers
from glassconv.networks.onnx.node import Call, Node, call


def constant(node: Node) -> Tensor:
    """Return the value itself."""
    for name, dtype in (("value_float", torch.float32), ("value_int", torch.int64)):
        for form in (name, f"{name}s"):
            if form in node.attributes:
                return torch.tensor(node.attributes[form], dtype=dtype)
    if "value" not in node.attributes:
        raise UnsupportedError("its value is neither a tensor nor a number")
    value: Tensor = node.attributes["value"]
    return value


def constant_of_shape(node: Node) -> Call:
    """Return a function; the value is by default 0 in float32."""
    value: Tensor = node.get("value", torch.zeros(1))
    return call(filled, node.numbers(0), value.item(), value.dtype)


def filled(shape: Integers, value: float, dtype: torch.dtype) -> Tensor:
    """Return a tensor of one value."""
    return torch.full(integers(shape), value, dtype=dtype)


def numbers_from(start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    """Return numbers from start, each a step more than the one before, below the limit."""
    return torch.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)


def triangle(node: Node) -> Call:
    """Return a function: the upper or the lower triangle of matrices, 0 elsewhere."""
    upper = node.get("upper", 1) == 1
    return call(one_triangle, node.value(0), node.numbers(1), upper=upper)


def one_triangle(input: Tensor, diagonal: Integers | None, *, upper: bool) -> Tensor:
    """Return the elements above or below a diagonal, by default the main one, and on it."""
    [number] = [0] if diagonal is None else integers(diagonal)
    return input.triu(number) if upper else input.tril(number)


CONVERTERS = {
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Range": lambda node: call(numbers_from, *node.values),
    "Trilu": triangle,
}
