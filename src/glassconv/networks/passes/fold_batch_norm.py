"""Fold a batch normalisation into the weight and the bias of the convolution beside it.

By running statistics it multiplies each channel by a number and adds another:

    batch_norm(x)[c] = scale[c] · x[c] + shift[c]
    scale = weight / √(running_var + eps)        shift = bias − scale · running_mean

Behind a convolution the scale multiplies its filters. Before one, if that has no padding, it
multiplies the channels that its filters read, and the shift adds to the bias what they make of it.
The numbers are folded in float64 and rounded once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from glassconv.networks.convolutions import TRANSPOSED
from glassconv.networks.graph import Operation
from glassconv.networks.passes.network import Network, with_arguments
from glassconv.networks.passes.sums import groups_of, is_plain_sum, is_sum

NAME = "fold_batch_norm"


def run(network: Network) -> Network:
    """Return the network with batch normalisations folded wherever that is exact."""
    for operation in network.operations:
        if operation.function == "batch_norm":
            network = _folded(network, operation)
    return network


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
    found = scale_and_shift(network, norm)
    if found is None:
        return network
    scale, shift = found
    before = network.producers.get(norm.arguments["input"].number)
    if before is not None and is_plain_sum(before) and network.only_reader(before.outputs[0]):
        return _behind(network, before, norm, scale, shift)
    following = network.only_reader(norm.outputs[0])
    if following is not None and is_sum(following) and not _is_padded(following):
        return _in_front(network, norm, following, scale, shift)
    return network


def _behind(
    network: Network, sums: Operation, norm: Operation, scale: Tensor, shift: Tensor
) -> Network:
    """Return the network with scale · sums + shift computed by the sums."""
    weight, bias = (network.constant(sums.arguments[name]) for name in ("weight", "bias"))
    if weight is None or (bias is None and sums.arguments["bias"] is not None):
        return network
    if sums.function in TRANSPOSED:  # [in_channels, out_channels / groups, *kernel_size]
        by_input = scale.reshape(groups_of(sums), 1, -1)
        per_group = weight.double().reshape(groups_of(sums), -1, weight.shape[1], *weight.shape[2:])
        folded = per_group * by_input.reshape(*by_input.shape, *(1 for _ in weight.shape[2:]))
        folded = folded.reshape(weight.shape)
    else:
        folded = weight.double() * scale.reshape(-1, *(1 for _ in weight.shape[1:]))
    added = shift if bias is None else shift + scale * bias
    return _merged(network, sums, norm, sums, folded.to(weight.dtype), added.to(weight.dtype))


def _in_front(
    network: Network, norm: Operation, sums: Operation, scale: Tensor, shift: Tensor
) -> Network:
    """Return the network with the sums of scale · x + shift computed by the sums of x."""
    weight, bias = (network.constant(sums.arguments[name]) for name in ("weight", "bias"))
    if weight is None or (bias is None and sums.arguments["bias"] is not None):
        return network
    groups = groups_of(sums)
    ones = (1,) * (weight.dim() - 2)
    per_group = weight.double().reshape(groups, -1, *weight.shape[1:])
    by_channel = per_group * scale.reshape(groups, 1, -1, *ones)
    added = (per_group * shift.reshape(groups, 1, -1, *ones)).flatten(2).sum(2).flatten()
    if bias is not None:
        added = added + bias
    folded = by_channel.reshape(weight.shape).to(weight.dtype)
    return _merged(network, norm, sums, sums, folded, added.to(weight.dtype))


def _merged(
    network: Network,
    first: Operation,
    second: Operation,
    sums: Operation,
    weight: Tensor,
    bias: Tensor,
) -> Network:
    """Return the network with two operations as the sums by another weight and bias."""
    is_first = sums is first
    both_input = sums.arguments["input"] if is_first else first.arguments["input"]
    network, weight_value = network.new_constant(weight, f"{sums.name}.weight")
    network, bias_value = network.new_constant(bias, f"{sums.name}.bias")
    both = with_arguments(sums, input=both_input, weight=weight_value, bias=bias_value)
    both = _writing(both, second)
    return network.merged(first, second, both)


def _writing(operation: Operation, other: Operation) -> Operation:
    from dataclasses import replace

    return replace(operation, outputs=other.outputs)


def _is_padded(operation: Operation) -> bool:
    padding = operation.arguments.get("padding", 0)
    return operation.function in TRANSPOSED or padding == "same" or any(_numbers(padding))


def _numbers(padding: object) -> tuple[int, ...]:
    if isinstance(padding, str):  # "valid"
        return ()
    return tuple(padding) if isinstance(padding, tuple | list) else (int(padding),)  # type: ignore[call-overload]
