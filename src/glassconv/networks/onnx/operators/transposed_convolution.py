"""ConvTranspose: nn.ConvTranspose1d, 2d or 3d if the weight is in the file, else functions.

The layer computes every output that the input reaches. Padding that differs at the two ends, and
what is over the size that the node asks for, is cut from that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.onnx.layers import filters_of, with_weights
from glassconv.networks.onnx.node import Call, Node, call
from glassconv.networks.onnx.window import ATTRIBUTES, LARGEST, Window, split_evenly, window_of

LAYERS: Mapping[int, Callable[..., nn.Module]] = {
    3: nn.ConvTranspose1d,
    4: nn.ConvTranspose2d,
    5: nn.ConvTranspose3d,
}
FUNCTIONS: Mapping[int, Callable[..., Tensor]] = {
    3: F.conv_transpose1d,
    4: F.conv_transpose2d,
    5: F.conv_transpose3d,
}
OWN_ATTRIBUTES = (*ATTRIBUTES, "output_padding", "output_shape")
Sizes = tuple[int, ...]


def conv_transpose(node: Node) -> Call:
    """Return a layer, and behind it what is cut from its output."""
    groups: int = node.get("group", 1)
    attributes = {name: node.attributes[name] for name in OWN_ATTRIBUTES if name in node.attributes}
    filters = filters_of(node, LAYERS)
    if filters is None:
        operands = (node.value(0), node.value(1), node.value(2))
        return call(transposed_convolution, *operands, groups=groups, attributes=attributes)
    weight, bias, kernel = filters.weight, filters.bias, filters.kernel
    window = window_of(attributes, kernel)
    wanted = _output_shape(attributes, len(kernel))
    begin, end, output_padding = _cut(attributes, window)
    is_symmetric = begin == end and wanted is None
    layer = LAYERS[weight.ndim](
        weight.shape[0],
        weight.shape[1] * groups,
        kernel,
        stride=window.stride,
        padding=begin if is_symmetric else 0,
        output_padding=output_padding,
        dilation=window.dilation,
        groups=groups,
        bias=bias is not None,
        device="meta",
    )
    layer, input = with_weights(layer, weight=weight, bias=bias), node.value(0)
    if is_symmetric:
        return call(layer, input)
    if wanted is None:
        return call(without_ends, call(layer, input), begin, end)
    sizes = call(reached, input, window.stride, window.extent, output_padding, wanted)
    begin_first = attributes.get("auto_pad") != "SAME_UPPER"
    return call(cut_to, call(layer, input, sizes), wanted, begin_first=begin_first)


def transposed_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    groups: int,
    attributes: Mapping[str, Any],
) -> Tensor:
    """Convolve with a weight that is computed when the network runs."""
    window = window_of(attributes, weight.shape[2:])
    begin, end, padding = _cut(attributes, window)
    wanted = _output_shape(attributes, len(window.kernel))
    if wanted is not None:
        full = reached(input, window.stride, window.extent, padding, (0,) * len(padding))
        missing = [max(0, size - have) for size, have in zip(wanted, full, strict=True)]
        padding = tuple(p + more for p, more in zip(padding, missing, strict=True))
    function, dilation = FUNCTIONS[weight.ndim], window.dilation
    output: Tensor = function(input, weight, bias, window.stride, 0, padding, groups, dilation)
    if wanted is None:
        return without_ends(output, begin, end)
    return cut_to(output, wanted, begin_first=attributes.get("auto_pad") != "SAME_UPPER")


def without_ends(output: Tensor, begin: Sequence[int], end: Sequence[int]) -> Tensor:
    """Cut so many elements from both ends of each spatial axis."""
    for axis, (first, last) in enumerate(zip(begin, end, strict=True), start=2):
        output = output.narrow(axis, first, output.shape[axis] - first - last)
    return output


def reached(
    input: Tensor,
    stride: Sequence[int],
    extent: Sequence[int],
    output_padding: Sequence[int],
    wanted: Sequence[int],
) -> list[int]:
    """Return the size that the input reaches, or the wanted one where that is larger."""
    return [
        max(size, (n - 1) * s + e + p)
        for n, s, e, p, size in zip(
            input.shape[2:], stride, extent, output_padding, wanted, strict=True
        )
    ]


def cut_to(output: Tensor, wanted: Sequence[int], *, begin_first: bool) -> Tensor:
    """Cut both ends to the wanted size, the odd element from the beginning or the end."""
    totals = [have - size for have, size in zip(output.shape[2:], wanted, strict=True)]
    return without_ends(output, *split_evenly(totals, begin_first=begin_first))


def _cut(attributes: Mapping[str, Any], window: Window) -> tuple[Sizes, Sizes, Sizes]:
    """Return what is cut from both ends of each axis, and the output padding."""
    axes = len(window.kernel)
    output_padding: Sizes = attributes.get("output_padding", (0,) * axes)
    if len(output_padding) != axes or not all(0 <= size <= LARGEST for size in output_padding):
        raise NetworkError(f"output_padding must be {axes} sizes, got {list(output_padding[:8])}")
    if not window.same:
        return window.begin, window.end, output_padding
    # The output has stride elements for each of the input's, whatever the size of that.
    each_axis = zip(window.extent, output_padding, window.stride, strict=True)
    totals = [e + p - s for e, p, s in each_axis]
    begin, end = split_evenly([max(0, t) for t in totals], begin_first=window.same == "LOWER")
    missing = [max(0, -t) for t in totals]
    return begin, end, tuple(p + more for p, more in zip(output_padding, missing, strict=True))


def _output_shape(attributes: Mapping[str, Any], axes: int) -> Sizes | None:
    """Return the spatial size that the node asks for, None if it does not."""
    shape: Sizes | None = attributes.get("output_shape")
    if shape is None:
        return None
    spatial = shape[-axes:]  # some files have the batch and the channels, too
    if len(shape) not in (axes, axes + 2) or not all(1 <= size <= LARGEST for size in spatial):
        raise NetworkError(f"output_shape must be {axes} sizes, got {list(shape[:8])}")
    return spatial


CONVERTERS = {"ConvTranspose": conv_transpose}
