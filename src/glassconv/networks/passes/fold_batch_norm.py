"""Fold a batch normalisation into the weight and the bias of the convolution beside it.

By running statistics it multiplies each channel by a number and adds another:

    batch_norm(x)[c] = scale[c] · x[c] + shift[c]
    scale = weight / √(running_var + eps)        shift = bias − scale · running_mean

Behind a convolution the scale multiplies its filters. Before one, if that has no padding, it
multiplies the channels that its filters read, and the shift adds to the bias what they make of it.
The numbers are folded in float64 and rounded once.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from glassconv.networks.convolutions import TRANSPOSED, read
from glassconv.networks.graph import Operation
from glassconv.networks.passes.network import Network, rewritten_by, with_arguments
from glassconv.networks.passes.sums import (
    LINEAR,
    channel_axis,
    groups_of,
    is_plain_sum,
    is_sum,
    scaled,
    weight_and_bias,
    with_numbers,
)

NAME = "fold_batch_norm"
CHANNELS = 1  # the axis that a batch normalisation takes for the channels'


def run(network: Network) -> Network:
    """Return the network with batch normalisations folded wherever that is exact."""
    return rewritten_by(_folded, network)


def scale_and_shift(network: Network, operation: Operation) -> tuple[Tensor, Tensor] | None:
    """Return what a batch normalisation multiplies by and adds, in float64, [channels] each.

    None where that depends on the batch, or on numbers that are not fixed.
    """
    arguments = operation.arguments
    if arguments["training"]:
        return None
    mean, variance = (network.constant(arguments[n]) for n in ("running_mean", "running_var"))
    if mean is None or variance is None:
        return None
    scale = (variance.double() + arguments["eps"]).rsqrt()
    shift = torch.zeros_like(scale)
    for name in ("weight", "bias"):
        if arguments[name] is None:
            continue
        numbers = network.constant(arguments[name])
        if numbers is None:
            return None
        scale, shift = (scale * numbers, shift) if name == "weight" else (scale, shift + numbers)
    return scale, shift - scale * mean


def _folded(network: Network, norm: Operation) -> Network:
    if norm.function != "batch_norm":
        return network
    found = scale_and_shift(network, norm)
    if found is None:
        return network
    scale, shift = found
    before = network.producers.get(norm.arguments["input"].number)
    if before is not None and is_plain_sum(before) and network.only_reader(before.outputs[0]):
        if channel_axis(before) == CHANNELS:
            return _behind(network, before, norm, scale, shift)
        return network
    following = network.only_reader(norm.outputs[0])
    if following is not None and _takes_norm(following):
        return _in_front(network, norm, following, scale, shift)
    return network


def _takes_norm(following: Operation) -> bool:
    """Return whether an operation computes the sums of a normalisation's output, and no zeros."""
    return is_sum(following) and channel_axis(following) == CHANNELS and not _is_padded(following)


def _behind(
    network: Network, sums: Operation, norm: Operation, scale: Tensor, shift: Tensor
) -> Network:
    """Return the network with scale · sums + shift computed by the sums."""
    made = scaled(network, sums, scale, shift)
    if made is None:
        return network
    network, both = made
    return network.merged(sums, norm, replace(both, outputs=norm.outputs))


def _in_front(
    network: Network, norm: Operation, sums: Operation, scale: Tensor, shift: Tensor
) -> Network:
    """Return the network with the sums of scale · x + shift computed by the sums of x."""
    fixed = weight_and_bias(network, sums)
    if fixed is None:
        return network
    weight, bias = fixed
    groups, ones = groups_of(sums), (1,) * (weight.dim() - 2)
    per_group = weight.double().reshape(groups, -1, *weight.shape[1:])
    by_channel = per_group * scale.reshape(groups, 1, -1, *ones)
    added = (per_group * shift.reshape(groups, 1, -1, *ones)).flatten(2).sum(2).flatten()
    if bias is not None:
        added = added + bias
    folded = by_channel.reshape(weight.shape).to(weight.dtype)
    network, both = with_numbers(network, sums, folded, added.to(weight.dtype))
    both = with_arguments(both, input=norm.arguments["input"])
    return network.merged(norm, sums, both)


def _is_padded(operation: Operation) -> bool:
    """Return whether outputs are sums of other numbers than the input's, too."""
    if operation.function == LINEAR:
        return False
    return operation.function in TRANSPOSED or any(map(any, read(operation).problem.padding))
