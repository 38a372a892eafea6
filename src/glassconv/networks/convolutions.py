"""The convolutions of a graph: for each call, the problem that it solves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glassconv.errors import UnsupportedError
from glassconv.networks.graph import Graph, Operation, Value
from glassconv.problem.arguments import problem_of
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import transposed_of

FORWARD = ("conv1d", "conv2d", "conv3d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
GENERAL = ("convolution", "_convolution")  # what TorchScript and autograd call
FUNCTIONS = (*FORWARD, *TRANSPOSED, *GENERAL)
STEPS = ("stride", "padding", "dilation", "groups")


@dataclass(frozen=True)
class Convolution:
    """A call of a convolution, its operands and its problem."""

    operation: Operation
    input: Value
    weight: Value
    bias: Value | None
    problem: Problem

    @property
    def output(self) -> Value:
        """Return what it writes."""
        return self.operation.outputs[0]


def is_convolution(operation: Operation) -> bool:
    """Return whether an operation is a convolution, transposed or not."""
    return operation.function in FUNCTIONS


def convolutions(graph: Graph) -> tuple[Convolution, ...]:
    """Return the convolutions of a graph.

    Raises `UnsupportedError` for one that no problem describes, such as of complex numbers.

    >>> from torch import nn
    >>> from glassconv.networks.capture import capture
    >>> found = convolutions(capture(nn.Conv2d(3, 8, 3, padding="same"), [1, 3, 9, 9]))
    >>> str(found[0].problem)
    '1x3x9x9 8@3x3 s1 p1'
    """
    return tuple(read(each) for each in graph.operations if is_convolution(each))


def read(operation: Operation) -> Convolution:
    """Return a convolution's problem; raises `UnsupportedError` where there is none."""
    arguments = operation.arguments
    input: Value = arguments["input"]
    weight: Value = arguments["weight"]
    bias: Value | None = arguments["bias"]
    if weight.dtype not in FORMATS:
        cause = f"a convolution of {weight.dtype} is no problem of glassconv's"
        raise UnsupportedError(cause, request=operation.name)
    steps: dict[str, Any] = {name: arguments[name] for name in STEPS}
    steps["dtype"] = weight.dtype
    bias_shape = None if bias is None else bias.shape
    is_transposed = operation.function in TRANSPOSED or arguments.get("transposed", False)
    problem: Problem
    if is_transposed:
        steps["output_padding"] = arguments["output_padding"]
        problem = transposed_of(input.shape, weight.shape, bias_shape, **steps)
    else:
        problem = problem_of(input.shape, weight.shape, bias_shape, **steps)
    return Convolution(operation, input, weight, bias, problem)
