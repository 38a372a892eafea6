"""Normalisations: BatchNormalization as a layer where its statistics are in the file."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.errors import NetworkError, UnsupportedError
from glassconv.networks.onnx.layers import with_weights
from glassconv.networks.onnx.node import Call, Node, call

BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
HALF_PRECISION = (torch.float16, torch.bfloat16)


def batch_normalization(node: Node) -> Call:
    """Return nn.BatchNorm1d, 2d or 3d in evaluation mode, or functions."""
    epsilon, momentum = node.get("epsilon", 1e-5), node.get("momentum", 0.9)
    if node.get("spatial", 1) != 1:
        raise UnsupportedError("statistics for each pixel (spatial=0) are not supported")
    if node.get("training_mode", 0):
        function = batch_statistics if len(node.outputs) > 1 else normalized_by_batch
        return call(function, *node.values, epsilon=epsilon, momentum=momentum)
    if len(node.outputs) > 1:
        raise UnsupportedError("outputs of training without training_mode are not supported")
    scale, bias, mean, variance = map(node.constant, range(1, 5))
    kind = BATCH_NORMS.get(node.rank(0) or 0)
    if kind is None or scale is None or bias is None or mean is None or variance is None:
        return call(by_statistics, *node.values, epsilon=epsilon)
    layer = kind(len(scale), eps=epsilon, momentum=1 - momentum, device="meta")
    statistics = {"running_mean": mean, "running_var": variance}
    with_weights(layer, weight=scale, bias=bias, **statistics)
    layer.num_batches_tracked = torch.tensor(0)
    return call(layer, node.value(0))


def by_statistics(
    input: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float
) -> Tensor:
    """Normalise by given statistics, which are not trained."""
    return F.batch_norm(input, mean.detach(), variance.detach(), scale, bias, eps=epsilon)


def batch_statistics(
    input: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    epsilon: float,
    momentum: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise by the batch's own statistics; return the running ones, too."""
    axes = [axis for axis in range(input.ndim) if axis != 1]
    batch_mean = input.mean(axes)
    batch_variance = input.var(axes, correction=0)
    output = F.batch_norm(input, batch_mean, batch_variance, scale, bias, eps=epsilon)
    running_mean = mean * momentum + batch_mean * (1 - momentum)
    return output, running_mean, variance * momentum + batch_variance * (1 - momentum)


def normalized_by_batch(*operands: Tensor, epsilon: float, momentum: float) -> Tensor:
    """Normalise by the batch's own statistics."""
    return batch_statistics(*operands, epsilon=epsilon, momentum=momentum)[0]


def instance_normalization(node: Node) -> Call:
    """Return the function; a batch's images are normalised one by one, channel by channel."""
    input, scale, bias = node.values
    return call(F.instance_norm, input, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


def layer_normalization(node: Node) -> Call:
    """Return a function with the outputs that the node names."""
    options = {"axis": node.get("axis", -1), "epsilon": node.get("epsilon", 1e-5)}
    return call(with_statistics if len(node.outputs) > 1 else layer_norm, *node.values, **options)


def with_statistics(
    input: Tensor, scale: Tensor, bias: Tensor | None = None, *, axis: int, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise over the axes from `axis` on; return mean and 1 / standard deviation, too."""
    axes = list(range(axis % input.ndim, input.ndim))
    wide = input.float() if input.dtype in HALF_PRECISION else input
    mean = wide.mean(axes, keepdim=True)
    inverse = (wide.var(axes, correction=0, keepdim=True) + epsilon).rsqrt()
    output = ((wide - mean) * inverse).to(input.dtype) * scale
    return output if bias is None else output + bias, mean, inverse


def layer_norm(*operands: Tensor, axis: int, epsilon: float) -> Tensor:
    """Normalise over the axes from `axis` on."""
    return with_statistics(*operands, axis=axis, epsilon=epsilon)[0]


def group_normalization(node: Node) -> Call:
    """Return a function; before version 21 there was a scale for a group, not for a channel."""
    options = {"groups": node.get("num_groups", 1), "epsilon": node.get("epsilon", 1e-5)}
    return call(group_norm, *node.values, for_groups=node.version < 21, **options)


def group_norm(
    input: Tensor, scale: Tensor, bias: Tensor, *, groups: int, epsilon: float, for_groups: bool
) -> Tensor:
    """Normalise over groups of channels."""
    if for_groups:
        each = input.shape[1] // groups
        scale, bias = scale.repeat_interleave(each), bias.repeat_interleave(each)
    return F.group_norm(input, groups, scale, bias, epsilon)


def local_response(node: Node) -> Call:
    """Return a function: where `size` is even, nn.LocalResponseNorm has its windows elsewhere."""
    size: int = node.get("size", 1)
    options = {"alpha": node.get("alpha", 1e-4), "beta": node.get("beta", 0.75)}
    return call(
        local_response_norm, node.value(0), size=size, bias=node.get("bias", 1.0), **options
    )


def local_response_norm(
    input: Tensor, *, size: int, alpha: float, beta: float, bias: float
) -> Tensor:
    """Divide by a power of the mean square over `size` channels around each."""
    before, after = (size - 1) // 2, size // 2
    squares = input.square().movedim(1, -1)
    sums = F.pad(squares, (before, after)).unfold(-1, size, 1).sum(-1)
    return input / (bias + alpha / size * sums.movedim(-1, 1)) ** beta


def mean_variance(node: Node) -> Call:
    """Return a function over the axes of an attribute."""
    return call(mean_variance_norm, node.value(0), axes=node.get("axes", (0, 2, 3)))


def mean_variance_norm(input: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Subtract the mean and divide by the standard deviation."""
    centred = input - input.mean(tuple(axes), keepdim=True)
    return centred / (centred.square().mean(tuple(axes), keepdim=True).sqrt() + 1e-9)


def lp_normalization(node: Node) -> Call:
    """Return a function that divides by a norm along an axis."""
    order: int = node.get("p", 2)
    if order not in (1, 2):
        raise NetworkError(f"p must be 1 or 2, got {order}")
    return call(lp_norm, node.value(0), axis=node.get("axis", -1), order=order)


def lp_norm(input: Tensor, *, axis: int, order: int) -> Tensor:
    """Divide by the norm along an axis; 0 stays 0 where the norm is 0."""
    norm = torch.linalg.vector_norm(input, order, axis, keepdim=True)
    return torch.where(norm == 0, 0, input / norm)


CONVERTERS = {
    "BatchNormalization": batch_normalization,
    "InstanceNormalization": instance_normalization,
    "LayerNormalization": layer_normalization,
    "GroupNormalization": group_normalization,
    "LRN": local_response,
    "MeanVarianceNormalization": mean_variance,
    "LpNormalization": lp_normalization,
}
