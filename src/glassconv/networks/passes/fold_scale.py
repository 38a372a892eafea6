"""Fold a fixed factor for each channel into the convolution or linear layer before it.

ConvNeXt scales the output of each block by such numbers before it adds the shortcut:
scale[c] · (W x + b)[c] = (scale[c] · W x)[c] + scale[c] · b[c].
"""

from __future__ import annotations

import torch
from torch import Tensor

from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.network import Network, rewritten_by
from glassconv.networks.passes.sums import permuted_sum, scaled

NAME = "fold_scale"


def run(network: Network) -> Network:
    """Return the network with factors folded."""
    return rewritten_by(_folded, network)


def _folded(network: Network, product: Operation) -> Network:
    if product.function != "mul":
        return network
    first, second = (product.arguments[name] for name in ("self", "other"))
    for value, factor in ((first, second), (second, first)):
        numbers = network.constant(factor)
        if numbers is None or not isinstance(value, Value):
            continue
        if value.shape != product.outputs[0].shape or value.dtype != product.outputs[0].dtype:
            continue
        found = permuted_sum(network, value)
        if found is None or network.only_reader(value) is not product:
            continue
        scale = _of_channels(numbers, value, found.channel_axis)
        made = None
        if scale is not None:
            made = scaled(network, found.sums, scale, torch.zeros_like(scale))
        if made is not None:
            network, sums = made
            return network.replaced({sums.name: sums}).without(product, value)
    return network


def _of_channels(numbers: Tensor, value: Value, axis: int) -> Tensor | None:
    """Return a number for each channel in float64, None where they depend on more."""
    ndim = len(value.shape)
    if numbers.dim() > ndim:
        return None
    shape = (1,) * (ndim - numbers.dim()) + tuple(numbers.shape)
    if any(size != 1 for place, size in enumerate(shape) if place != axis):
        return None
    return numbers.double().reshape(-1).expand(value.shape[axis])
