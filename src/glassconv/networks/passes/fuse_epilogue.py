"""Fuse a residual and an activation into the convolution or linear layer before them.

A kernel applies them to outputs that are still in registers: activation(sum + bias + residual).
"""

from __future__ import annotations

from dataclasses import replace

from glassconv.networks.fusion import activation_of
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.network import Network, with_arguments
from glassconv.networks.passes.sums import is_plain_sum, is_sum
from glassconv.problem.activations import ACTIVATIONS

NAME = "fuse_epilogue"


def run(network: Network) -> Network:
    """Return the network with residuals and activations fused."""
    for operation in network.operations:
        if operation.function == "add":
            network = _with_residual(network, operation)
        elif activation_of(operation) in ACTIVATIONS:
            network = _with_activation(network, operation)
    return network


def _with_residual(network: Network, add: Operation) -> Network:
    first, second = (add.arguments[name] for name in ("self", "other"))
    if not isinstance(second, Value) or first.shape != second.shape or first == second:
        return network
    if add.arguments["alpha"] != 1 or first.dtype != second.dtype:
        return network
    pairs = ((first, second), (second, first))
    able = [
        (producer, residual)
        for value, residual in pairs
        if (producer := network.producers.get(value.number)) is not None
        and is_plain_sum(producer)
        and network.only_reader(value) is not None
        and residual.number not in network.tensors
    ]
    if not able:
        return network
    # The later one is the last to be computed, so the other array is complete by then.
    sums, residual = max(able, key=lambda each: network.operations.index(each[0]))
    both = with_arguments(replace(sums, outputs=add.outputs), residual=residual)
    return network.merged(sums, add, both)


def _with_activation(network: Network, activation: Operation) -> Network:
    sums = network.producers.get(activation.inputs[0].number)
    if sums is None or not is_sum(sums) or sums.arguments.get("activation"):
        return network
    if network.only_reader(sums.outputs[0]) is None:
        return network
    name = activation_of(activation)
    both = with_arguments(replace(sums, outputs=activation.outputs), activation=name)
    return network.merged(sums, activation, both)
