"""Fuse a residual and an activation into the convolution or linear layer before them.

A kernel applies them to outputs that are still in registers: activation(sum + bias + residual).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from glassconv.networks.fusion import activation_of
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.network import Network, rewritten_by, with_arguments
from glassconv.networks.passes.sums import Permuted, inverse, is_sum, permuted_sum, refusal
from glassconv.problem.activations import ACTIVATIONS

NAME = "fuse_epilogue"


def run(network: Network) -> Network:
    """Return the network with residuals and activations fused."""
    return rewritten_by(_fused, network)


def _fused(network: Network, operation: Operation) -> Network:
    if operation.function == "add":
        return _with_residual(network, operation)
    if activation_of(operation) in ACTIVATIONS:
        return _with_activation(network, operation)
    return network


def _with_residual(network: Network, add: Operation) -> Network:
    first, second = (add.arguments[name] for name in ("self", "other"))
    if not isinstance(second, Value) or first.shape != second.shape or first == second:
        return network
    if add.arguments["alpha"] != 1 or first.dtype != second.dtype:
        return network
    able = [
        (found, residual)
        for value, residual in ((first, second), (second, first))
        if residual.number not in network.tensors
        and network.only_reader(value) is add
        and (found := permuted_sum(network, value)) is not None
        and refusal(network, found.sums) is None
    ]
    if not able:
        return network
    # The later one is the last to be computed, so the other array is complete by then.
    found, residual = max(able, key=lambda each: network.operations.index(each[0].sums))
    moved = {each.name for each in (found.sums, *found.permutes)}
    replaced: list[Operation] = []
    if found.permutes:
        permute = _in_order(network, residual, found, f"{add.name}.residual")
        residual = permute.outputs[0]
        replaced.append(permute)
    replaced += (with_arguments(found.sums, residual=residual), *found.permutes)
    replaced[-1] = replace(replaced[-1], outputs=add.outputs)
    kept = (each for each in network.operations if each.name not in moved)
    operations = chain.from_iterable(replaced if each is add else [each] for each in kept)
    return replace(network, operations=tuple(operations))


def _in_order(network: Network, value: Value, found: Permuted, name: str) -> Operation:
    """Return the permutation of a value to the axes of a sum's output."""
    order = inverse(found.order)
    shape = tuple(value.shape[axis] for axis in order)
    written = replace(value, number=network.new_number(), shape=shape, kind="result", name="")
    arguments = {"self": value, "dims": order}
    return replace(found.permutes[0], name=name, arguments=arguments, outputs=(written,))


def _with_activation(network: Network, activation: Operation) -> Network:
    sums = network.producers.get(activation.inputs[0].number)
    if sums is None or not is_sum(sums) or sums.arguments.get("activation"):
        return network
    if network.only_reader(sums.outputs[0]) is None or refusal(network, sums) is not None:
        return network
    name = activation_of(activation)
    both = with_arguments(replace(sums, outputs=activation.outputs), activation=name)
    return network.merged(sums, activation, both)
