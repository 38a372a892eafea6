"""The error of each convolution of an optimized network, on its own input, beside its bound.

The network as captured is evaluated by PyTorch. A convolution as the passes leave it, with what is
folded into its weight, is a plan of its own for the input that it has there. Its output is compared
with float64; the bound is that of the algorithm which the plan takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.algorithms import named
from glassconv.networks.convolutions import is_convolution, read
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.network import Network
from glassconv.networks.passes.sums import ADDED, refusal
from glassconv.networks.plan.layout import fastest_layout
from glassconv.networks.plan.lower import lower
from glassconv.networks.plan.places import dense_strides
from glassconv.networks.plan.plan import Plan
from glassconv.networks.plan.steps import KernelStep
from glassconv.networks.planning import passes_of
from glassconv.problem.memory_layout import NHWC
from glassconv.problem.operands import Operands
from glassconv.verification.definition import allowed_error

LEAST = 1e-300  # what a bound of 0 is divided by


def shares_of_bounds(model: nn.Module, *args: Any) -> Iterator[tuple[str, float]]:
    """Yield the name of each convolution, and its error as a share of its bound."""
    passes = dict(passes_of(model, args, {}))
    values, network = _values(passes["functional"], args), list(passes.values())[-1]
    layout = fastest_layout(network, "default")
    for operation in network.operations:
        if is_convolution(operation) and refusal(network, operation) is None:
            given = values[operation.arguments["input"].number]
            yield operation.name, _share(network, operation, given, layout)


def _share(network: Network, operation: Operation, given: Tensor, layout: str) -> float:
    arguments = {k: v for k, v in operation.arguments.items() if k not in ADDED}
    plain = replace(operation, arguments=arguments)
    strides = dense_strides(tuple(given.shape), channels_last=layout == NHWC)
    x = torch.empty_strided(given.shape, strides).copy_(given)
    input: Value = arguments["input"]
    alone = Network((plain,), (input,), plain.outputs, network.tensors)
    plan = Plan(lower(alone, layout, "default", [strides]), torch.get_num_threads())
    (output,) = plan(x)
    (kernel,) = (each for each in plan.steps if isinstance(each, KernelStep) and each.problem)
    weight = network.tensors[arguments["weight"].number]
    bias = None if arguments["bias"] is None else network.tensors[arguments["bias"].number]
    tensors = {"input": x, "weight": weight, "bias": bias}
    truth = _in_float64(operation, arguments, tensors)
    positive = {name: None if each is None else each.abs() for name, each in tensors.items()}
    magnitude = _in_float64(operation, arguments, positive)
    problem = read(operation).problem
    bound = named(kernel.kernel).error_bound(problem)
    operands = Operands(x.reshape(problem.input_shape), weight, bias)
    shape = problem.output_shape
    allowed = allowed_error(problem, bound, operands, magnitude.reshape(shape).numpy())
    error = (output.double() - truth).abs().reshape(shape).numpy()
    return float((error / (allowed + LEAST)).max())


def _in_float64(operation: Operation, arguments: Any, tensors: dict[str, Tensor | None]) -> Tensor:
    precise: dict[str, Any] = {
        name: None if each is None else each.double() for name, each in tensors.items()
    }
    padding = arguments["padding"]
    if isinstance(padding, tuple) and any(isinstance(each, tuple) for each in padding):
        # It differs on the two sides of an axis.
        widths = [width for pair in reversed(padding) for width in pair]
        precise["input"] = F.pad(precise["input"], widths)
        arguments = {**arguments, "padding": [0] * len(padding)}
    result: Tensor = operation.overload(**{**arguments, **precise})
    return result


def _values(network: Network, args: Any) -> dict[int, Tensor]:
    """Return the values of a network in PyTorch's own arithmetic, by their numbers."""
    values = dict(network.tensors)
    values |= {value.number: each for value, each in zip(network.inputs, args, strict=True)}

    def tensors(argument: Any) -> Any:
        if isinstance(argument, Value):
            return values[argument.number]
        return list(map(tensors, argument)) if isinstance(argument, tuple) else argument

    with torch.no_grad():
        for each in network.operations:
            result = each.overload(**{name: tensors(v) for name, v in each.arguments.items()})
            results = [result] if isinstance(result, Tensor) else result
            values |= {v.number: one for v, one in zip(each.outputs, results, strict=True)}
    return values
