"""Fold a padding with zeros into the convolution behind it, which may pad both ends differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassconv.networks.convolutions import FORWARD
from glassconv.networks.graph import Operation
from glassconv.networks.passes.network import Network, rewritten_by, with_arguments
from glassconv.networks.passes.sums import refusal

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
    (padded,) = pad.outputs
    is_residual = arguments.get("residual") == padded
    if network.only_reader(padded) is not convolution or is_residual:
        return network
    ndim = len(arguments["weight"].shape) - 2  # an image may have no batch axis
    both = _pairs(pad, arguments["padding"], ndim)
    if both is None:
        return network
    merged = with_arguments(convolution, input=pad.arguments["self"], padding=both)
    return network.merged(pad, convolution, merged)


def _pairs(pad: Operation, padding: Any, ndim: int) -> tuple[tuple[int, int], ...] | None:
    """Return (before, after) of both paddings for each spatial axis, None where that is not one."""
    arguments = pad.arguments
    is_constant = arguments.get("mode", "constant") == "constant"
    amounts: Sequence[int] = arguments["pad"]
    if not is_constant or arguments["value"] not in (None, 0) or isinstance(padding, str):
        return None
    if min(amounts) < 0 or any(amounts[2 * ndim :]):
        return None
    own = tuple(padding) if isinstance(padding, tuple | list) else (padding,)
    own = own * ndim if len(own) == 1 else own
    added = [(0, 0)] * ndim
    for place in range(min(len(amounts) // 2, ndim)):  # the last axis comes first
        added[ndim - 1 - place] = amounts[2 * place], amounts[2 * place + 1]
    return tuple(
        (each + before, each + after) for each, (before, after) in zip(own, added, strict=True)
    )
