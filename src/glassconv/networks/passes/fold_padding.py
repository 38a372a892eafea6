"""Fold a padding with zeros into the convolution behind it, which may pad both ends differently."""

from __future__ import annotations

from glassconv.networks.convolutions import FORWARD, read
from glassconv.networks.graph import Operation
from glassconv.networks.passes.network import Network, rewritten_by, with_arguments
from glassconv.networks.passes.sums import refusal
from glassconv.networks.windows import mode_of_padding, sides_of_padding

NAME = "fold_padding"
PADDINGS = ("pad", "constant_pad_nd")


def run(network: Network) -> Network:
    """Return the network with paddings folded."""
    return rewritten_by(_folded, network)


def _folded(network: Network, convolution: Operation) -> Network:
    if convolution.function not in FORWARD or refusal(network, convolution) is not None:
        return network
    arguments = convolution.arguments
    pad = network.producers.get(arguments["input"].number)
    if pad is None or pad.function not in PADDINGS:
        return network
    both = _together(pad, convolution)
    if both is None or not network.feeds_only(pad.outputs[0], convolution):
        return network
    merged = with_arguments(convolution, input=pad.arguments["self"], padding=both)
    return network.merged(pad, convolution, merged)


def _together(pad: Operation, convolution: Operation) -> tuple[tuple[int, int], ...] | None:
    """Return (before, after) of both paddings for each spatial axis, None where that is not one."""
    given = convolution.arguments["padding"]
    is_zeros = mode_of_padding(pad) == "constant" and pad.arguments["value"] in (None, 0)
    if isinstance(given, str) or not is_zeros:
        return None
    own = read(convolution).problem.padding
    sides = [sides_of_padding(pad, dim) for dim in range(len(pad.inputs[0].shape))]
    others, spatial = sides[: -len(own)], sides[-len(own) :]
    if any(map(any, others)) or min(map(min, spatial)) < 0:
        return None
    return tuple(
        (before + more, after + beyond)
        for (before, after), (more, beyond) in zip(own, spatial, strict=True)
    )
