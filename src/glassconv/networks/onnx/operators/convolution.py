"""Conv: nn.Conv1d, 2d or 3d if the weight is in the file, else PyTorch's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.networks.onnx.layers import filters_of, with_weights
from glassconv.networks.onnx.node import Call, Node, call
from glassconv.networks.onnx.window import ATTRIBUTES, padded, window_of

LAYERS: Mapping[int, Callable[..., nn.Module]] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
FUNCTIONS: Mapping[int, Callable[..., Tensor]] = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}


def conv(node: Node) -> Call:
    """Return a layer, behind an explicit padding if its two ends differ."""
    groups: int = node.get("group", 1)
    attributes = {name: node.attributes[name] for name in ATTRIBUTES if name in node.attributes}
    filters = filters_of(node, LAYERS)
    if filters is None:
        operands = (node.value(0), node.value(1), node.value(2))
        return call(convolution, *operands, groups=groups, attributes=attributes)
    weight, bias, kernel = filters.weight, filters.bias, filters.kernel
    window = window_of(attributes, kernel)
    layer = LAYERS[weight.ndim](
        weight.shape[1] * groups,
        weight.shape[0],
        kernel,
        stride=window.stride,
        padding=window.begin if window.is_symmetric else 0,
        dilation=window.dilation,
        groups=groups,
        bias=bias is not None,
        device="meta",
    )
    input: Any = node.value(0)
    if not window.is_symmetric:
        input = call(padded, input, kernel=kernel, attributes=attributes)
    return call(with_weights(layer, weight=weight, bias=bias), input)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    groups: int,
    attributes: Mapping[str, Any],
) -> Tensor:
    """Convolve with a weight that is computed when the network runs."""
    window = window_of(attributes, weight.shape[2:])
    input = padded(input, kernel=window.kernel, attributes=attributes)
    function = FUNCTIONS[weight.ndim]
    return function(input, weight, bias, window.stride, 0, window.dilation, groups)


CONVERTERS = {"Conv": conv}
