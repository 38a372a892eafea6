"""Compute ahead what depends on no input: masks, tables of positions, standardised weights.

Such operations run once, in their order, on real tensors, so what one writes into a view of another
tensor is there, too. Random numbers are drawn in each call, as PyTorch draws them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from glassconv.networks.graph import Operation, Value, with_each
from glassconv.networks.passes.functional import written_by
from glassconv.networks.passes.network import Network
from glassconv.networks.tensors import dtype_of

NAME = "fold_constants"

# They read the shape of their input, and none of its numbers.
OF_SHAPES = frozenset(
    "zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty".split()
)


def run(network: Network) -> Network:
    """Return the network with the results of what depends on no input as constants."""
    given = {number: each.detach() for number, each in network.tensors.items()}
    live = dict(given)  # the tensors that operations run on
    values = dict(given)  # what values are, whatever is written later
    kept = []
    for operation in network.operations:
        if not _is_fixed(operation, live) or _writes(operation, live, given):
            kept.append(operation)
            continue
        for value in written_by(operation):
            storage = _storage(live[value.number])
            shared = [number for number, each in values.items() if _storage(each) == storage]
            values.update((number, values[number].clone()) for number in shared)
        for value, tensor in zip(operation.outputs, _results(operation, live), strict=True):
            live[value.number] = values[value.number] = tensor
    return replace(network, operations=tuple(kept), tensors=values)


def _is_fixed(operation: Operation, live: Mapping[int, Tensor]) -> bool:
    """Return whether an operation has the same results in each call."""
    if operation.function in OF_SHAPES:
        return True
    if _is_random(operation):
        return False
    return all(value.number in live for value in operation.inputs)


def _is_random(operation: Operation) -> bool:
    """Return whether an operation draws random numbers; dropout does in training only."""
    tags = () if operation.overload is None else operation.overload.tags
    is_off = operation.arguments.get("train") is False
    return torch.Tag.nondeterministic_seeded in tags and not is_off


def _writes(operation: Operation, live: Mapping[int, Tensor], given: Mapping[int, Tensor]) -> bool:
    """Return whether an operation writes into what the network keeps."""
    own = {_storage(each) for each in given.values()}
    return any(_storage(live[value.number]) in own for value in written_by(operation))


def _results(operation: Operation, live: Mapping[int, Tensor]) -> list[Tensor]:
    if operation.overload is None:  # of a tensor that was written to through a view
        return [live[operation.arguments["self"].number]]

    def numbers(value: Value) -> Tensor:
        if value.number in live:
            return live[value.number]
        return torch.empty(value.shape, dtype=dtype_of(value))

    arguments = {name: with_each(each, numbers) for name, each in operation.arguments.items()}
    with torch.no_grad():
        result = operation.overload(**arguments)
    if operation.function == "lift_fresh":  # what torch.tensor() makes, anew in each call
        result = result.clone()
    return [result] if isinstance(result, Tensor) else list(result)


def _storage(tensor: Tensor) -> int:
    number: int = tensor.untyped_storage()._cdata
    return number
