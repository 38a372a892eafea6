"""Convolutions and linear layers: sums of products, whose outputs an epilogue may follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.networks.convolutions import FORWARD, TRANSPOSED, read
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.network import Network, with_arguments
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem

LINEAR = "linear"
SUMS = (*FORWARD, *TRANSPOSED, LINEAR)
EPILOGUE = ("residual", "activation")
BY_ROWS = "input_by_rows"  # whether the input of a depthwise convolution is computed in its kernel
ADDED = (*EPILOGUE, "scale", BY_ROWS)  # arguments that passes add to an operator's own


def is_sum(operation: Operation) -> bool:
    """Return whether an operation is a convolution or a linear layer."""
    return operation.function in SUMS


def is_plain_sum(operation: Operation) -> bool:
    """Return whether an operation is one without a residual and an activation."""
    return is_sum(operation) and not any(operation.arguments.get(name) for name in EPILOGUE)


def groups_of(operation: Operation) -> int:
    """Return the number of groups; a linear layer has one."""
    groups: int = operation.arguments.get("groups", 1)
    return groups


def channel_axis(operation: Operation) -> int:
    """Return which axis of the output, and of the input, has the channels.

    It is the second of an image's, the first of one without a batch, the last of a linear layer's.
    """
    spatial = len(operation.arguments["weight"].shape) - 2
    return len(operation.outputs[0].shape) - spatial - 1


def refusal(network: Network, operation: Operation) -> str | None:
    """Return why no kernel of a plan computes a convolution or a linear layer, None if one does."""
    arguments = operation.arguments
    for name in ("weight", "bias"):
        if arguments[name] is not None and network.constant(arguments[name]) is None:
            return f"its {name} is computed by the network"
    dtypes = {arguments[name].dtype for name in ("input", "weight")}
    if not dtypes <= ELEMENT_BYTES.keys():
        return f"kernels of a plan compute float32 and float64, not {arguments['input'].dtype}"
    if 0 in operation.outputs[0].shape or 0 in arguments["input"].shape:
        return "its input or its output is empty"
    if operation.function == LINEAR:
        return "its weight has one axis" if len(arguments["weight"].shape) < 2 else None
    return _refusal_of_problem(read(operation).problem)


def _refusal_of_problem(problem: Problem) -> str | None:
    if problem.ndim > 2:
        return "kernels compute one or two spatial axes"
    if isinstance(problem, TransposedProblem) and problem.is_cut and set(problem.stride) == {1}:
        return "its padding is wider than its kernel"
    return None


def weight_and_bias(network: Network, sums: Operation) -> tuple[Tensor, Tensor | None] | None:
    """Return the numbers of an operation's weight and bias, None where they are computed."""
    weight, bias = (network.constant(sums.arguments[name]) for name in ("weight", "bias"))
    if weight is None or (bias is None and sums.arguments["bias"] is not None):
        return None
    return weight, bias


def scaled(
    network: Network, sums: Operation, scale: Tensor, shift: Tensor
) -> tuple[Network, Operation] | None:
    """Return the operation that computes scale · sums + shift, its weight and bias in float64.

    scale, shift: [out_channels]. None where weight or bias is not fixed.
    """
    fixed = weight_and_bias(network, sums)
    if fixed is None:
        return None
    weight, bias = fixed
    if sums.function in TRANSPOSED:  # [in_channels, out_channels / groups, *kernel_size]
        groups, ones = groups_of(sums), (1,) * (weight.dim() - 2)
        by_group = weight.double().reshape(groups, -1, *weight.shape[1:])
        product = (by_group * scale.reshape(groups, 1, -1, *ones)).reshape(weight.shape)
    else:
        product = weight.double() * scale.reshape(-1, *(1 for _ in weight.shape[1:]))
    added = shift if bias is None else shift + scale * bias
    return with_numbers(network, sums, product.to(weight.dtype), added.to(weight.dtype))


def with_numbers(
    network: Network, sums: Operation, weight: Tensor, bias: Tensor
) -> tuple[Network, Operation]:
    """Return the network with two more constants, and an operation that has them as operands."""
    network, weight_value = network.new_constant(weight, f"{sums.name}.weight")
    network, bias_value = network.new_constant(bias, f"{sums.name}.bias")
    return network, with_arguments(sums, weight=weight_value, bias=bias_value)


@dataclass(frozen=True)
class Permuted:
    """The output of a sum with its axes in another order; nothing else reads what is between."""

    sums: Operation
    permutes: tuple[Operation, ...]  # in their order
    order: tuple[int, ...]  # axis i of the value is axis order[i] of the sum's output

    @property
    def channel_axis(self) -> int:
        """Return which axis of the value is that of the output channels."""
        return self.order.index(channel_axis(self.sums))


def permuted_sum(network: Network, value: Value) -> Permuted | None:
    """Return the plain sum that a value is the output of, perhaps permuted, else None."""
    permutes: list[Operation] = []
    order = tuple(range(len(value.shape)))
    producer = network.producers.get(value.number)
    while producer is not None and network.only_reader(producer.outputs[0]) is not None:
        if is_plain_sum(producer):
            return Permuted(producer, tuple(reversed(permutes)), order)
        if producer.function != "permute":
            return None
        dims = [axis % len(order) for axis in producer.arguments["dims"]]
        order = tuple(dims[axis] for axis in order)
        permutes.append(producer)
        producer = network.producers.get(producer.arguments["self"].number)
    return None


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return the permutation that undoes another.

    >>> inverse((0, 2, 3, 1))
    (0, 3, 1, 2)
    """
    return tuple(torch.tensor(order).argsort().tolist())
