"""Pooling: PyTorch's layers where they compute the same, else the windows one by one as a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.errors import UnsupportedError
from glassconv.networks.onnx.node import Call, Node, call
from glassconv.networks.onnx.window import (
    ATTRIBUTES,
    Window,
    kernel_shape,
    pad_ends,
    padded,
    padding_of,
    window_of,
)

MAX_POOLS: Mapping[int, Callable[..., nn.Module]] = {
    1: nn.MaxPool1d,
    2: nn.MaxPool2d,
    3: nn.MaxPool3d,
}
AVERAGE_POOLS: Mapping[int, Callable[..., nn.Module]] = {
    1: nn.AvgPool1d,
    2: nn.AvgPool2d,
    3: nn.AvgPool3d,
}


def max_pool(node: Node) -> Call:
    """Return nn.MaxPool1d, 2d or 3d, behind an explicit padding if that is uneven or large."""
    attributes, window, ceil = _attributes(node)
    options = {"kernel": window.kernel, "attributes": attributes, "ceil": ceil}
    if len(node.outputs) > 1:
        columns = node.get("storage_order", 0) == 1
        return call(largest_and_indices, node.value(0), column_major=columns, **options)
    layer = MAX_POOLS.get(len(window.kernel))
    if layer is None:
        raise UnsupportedError(f"kernel_shape must have 1 to 3 axes, got {len(window.kernel)}")
    if _pads_inside(window):
        shape = {"padding": window.begin, "dilation": window.dilation, "ceil_mode": ceil}
        return call(layer(window.kernel, window.stride, **shape), node.value(0))
    module = layer(window.kernel, window.stride, dilation=window.dilation)
    return call(module, call(padded_with_lowest, node.value(0), **options))


def average_pool(node: Node) -> Call:
    """Return nn.AvgPool1d, 2d or 3d, or a function."""
    attributes, window, ceil = _attributes(node)
    counted = node.get("count_include_pad", 0) == 1
    layer = AVERAGE_POOLS.get(len(window.kernel))
    if layer is None or not _pads_inside(window) or any(d > 1 for d in window.dilation):
        options = {"kernel": window.kernel, "attributes": attributes, "ceil": ceil}
        return call(average, node.value(0), count_padding=counted, **options)
    shape = {"padding": window.begin, "ceil_mode": ceil, "count_include_pad": counted}
    return call(layer(window.kernel, window.stride, **shape), node.value(0))


def lp_pool(node: Node) -> Call:
    """Return a function: the norm of each window."""
    attributes, window, ceil = _attributes(node)
    options = {"kernel": window.kernel, "attributes": attributes, "ceil": ceil}
    return call(norms, node.value(0), order=node.get("p", 2), **options)


def padded_with_lowest(
    input: Tensor, *, kernel: Sequence[int], attributes: Mapping[str, Any], ceil: bool
) -> Tensor:
    """Pad with what no maximum is, unless there is nothing else in the window."""
    lowest = _lowest(input.dtype)
    return padded(input, kernel=kernel, attributes=attributes, value=lowest, ceil=ceil)


def largest_and_indices(
    input: Tensor,
    *,
    kernel: Sequence[int],
    attributes: Mapping[str, Any],
    ceil: bool,
    column_major: bool,
) -> tuple[Tensor, Tensor]:
    """Return the largest element of each window, and its index in the whole input."""
    window = window_of(attributes, kernel)
    begin, end = padding_of(input.shape[2:], window, ceil=ceil)
    numbers = torch.arange(input.numel(), device=input.device).reshape(input.shape)
    if column_major:  # the last axes of each plane are numbered first to last
        planes = input.shape[:2] + input.shape[:1:-1]
        axes = (0, 1, *range(input.ndim - 1, 1, -1))
        numbers = numbers.reshape(planes).permute(axes)
    elements = windows(pad_ends(input, begin, end, _lowest(input.dtype)), window)
    values, places = elements.max(-1, keepdim=True)
    indices = windows(pad_ends(numbers, begin, end, -1), window).gather(-1, places)
    return values.squeeze(-1), indices.squeeze(-1)


def average(
    input: Tensor,
    *,
    kernel: Sequence[int],
    attributes: Mapping[str, Any],
    ceil: bool,
    count_padding: bool,
) -> Tensor:
    """Return the mean of each window; what only `ceil` adds is never counted."""
    window = window_of(attributes, kernel)
    begin, end = padding_of(input.shape[2:], window, ceil=ceil)
    counted = torch.ones_like(input[:1, :1])
    if count_padding:
        first, last = padding_of(input.shape[2:], window)
        counted = pad_ends(counted, first, last, 1)
        end_left = [each - inner for each, inner in zip(end, last, strict=True)]
        counted = pad_ends(counted, (0,) * len(begin), end_left)
    else:
        counted = pad_ends(counted, begin, end)
    sums = windows(pad_ends(input, begin, end), window).sum(-1)
    return sums / windows(counted, window).sum(-1)


def norms(
    input: Tensor, *, kernel: Sequence[int], attributes: Mapping[str, Any], ceil: bool, order: int
) -> Tensor:
    """Return the norm of each window."""
    input = padded(input, kernel=kernel, attributes=attributes, ceil=ceil)
    elements = windows(input, window_of(attributes, kernel))
    norm: Tensor = torch.linalg.vector_norm(elements, order, -1)
    return norm


def windows(input: Tensor, window: Window) -> Tensor:
    """Return [batch, channels, *outputs, elements of a window] of an input padded before."""
    axes = len(window.kernel)
    for axis, (extent, stride) in enumerate(
        zip(window.extent, window.stride, strict=True), start=2
    ):
        input = input.unfold(axis, extent, stride)
    every = [slice(None)] * (2 + axes)
    taken = [slice(None, None, dilation) for dilation in window.dilation]
    return input[tuple(every + taken)].flatten(-axes)


def global_average(input: Tensor) -> Tensor:
    """Return the mean over all spatial axes."""
    return input.mean(tuple(range(2, input.ndim)), keepdim=True)


def global_max(input: Tensor) -> Tensor:
    """Return the largest element over all spatial axes."""
    return input.amax(tuple(range(2, input.ndim)), keepdim=True)


def global_norm(input: Tensor, *, order: int) -> Tensor:
    """Return the norm over all spatial axes."""
    axes = tuple(range(2, input.ndim))
    norm: Tensor = torch.linalg.vector_norm(input, order, axes, keepdim=True)
    return norm


def max_unpool(node: Node) -> Call:
    """Return a function; the third input is the output's shape."""
    attributes, window, _ = _attributes(node)
    shape = node.numbers(2)
    return call(
        unpooled, node.value(0), node.value(1), shape, kernel=window.kernel, attributes=attributes
    )


def unpooled(
    input: Tensor,
    indices: Tensor,
    shape: Sequence[int] | Tensor | None = None,
    *,
    kernel: Sequence[int],
    attributes: Mapping[str, Any],
) -> Tensor:
    """Put each element where MaxPool found it, into zeros."""
    window = window_of(attributes, kernel)
    each_axis = zip(
        input.shape[2:], window.stride, window.begin, window.end, window.kernel, strict=True
    )
    inner = [*input.shape[:2], *((n - 1) * s - b - e + k for n, s, b, e, k in each_axis)]
    result = input.new_zeros(inner)
    result.view(-1).scatter_(0, indices.reshape(-1), input.reshape(-1))
    if shape is None:
        return result
    sizes = shape.tolist() if isinstance(shape, Tensor) else shape
    return F.pad(
        result,
        [n for have, size in zip(inner[::-1], sizes[::-1], strict=True) for n in (0, size - have)],
    )


def _attributes(node: Node) -> tuple[dict[str, Any], Window, bool]:
    """Return the attributes of a pooling's window, the window, and ceil_mode."""
    attributes = {name: node.attributes[name] for name in ATTRIBUTES if name in node.attributes}
    window = window_of(attributes, kernel_shape(node.attributes))
    return attributes, window, node.get("ceil_mode", 0) == 1


def _pads_inside(window: Window) -> bool:
    """Return whether PyTorch's layer takes the padding: at most half the window at both ends."""
    pairs = zip(window.kernel, window.begin, strict=True)
    return window.is_symmetric and all(2 * begin <= kernel for kernel, begin in pairs)


def _lowest(dtype: torch.dtype) -> float:
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min


CONVERTERS = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "MaxUnpool": max_unpool,
    "GlobalAveragePool": lambda node: call(global_average, node.value(0)),
    "GlobalMaxPool": lambda node: call(global_max, node.value(0)),
    "GlobalLpPool": lambda node: call(global_norm, node.value(0), order=node.get("p", 2)),
}
