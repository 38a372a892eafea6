"""Remove operations whose results nothing reads, and tensors that none is left to read."""

from __future__ import annotations

from dataclasses import replace

from glassconv.networks.passes.network import Network

NAME = "unused"


def run(network: Network) -> Network:
    """Return the network without what its outputs do not depend on."""
    needed = {value.number for value in network.outputs}
    kept = []
    for operation in reversed(network.operations):
        if any(value.number in needed for value in operation.outputs):
            needed.update(value.number for value in operation.inputs)
            kept.append(operation)
    tensors = {number: each for number, each in network.tensors.items() if number in needed}
    return replace(network, operations=tuple(reversed(kept)), tensors=tensors)
