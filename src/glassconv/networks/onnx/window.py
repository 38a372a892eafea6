"""Windows that slide over the spatial axes, as Conv's and the poolings' attributes describe them.

With auto_pad, the padding follows from the input's size, which is known when the network runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from glassconv.errors import NetworkError

ATTRIBUTES = ("strides", "dilations", "pads", "auto_pad")
AUTO_PAD = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
LARGEST = 2**31 - 1  # of a window's attributes


@dataclass(frozen=True)
class Window:
    """A window: of all tuples, one number for each spatial axis.

    begin, end: the padding. same: "" or the side that gets the odd element of auto_pad's padding,
    "UPPER" or "LOWER"; begin and end are 0 then.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    same: str

    @property
    def extent(self) -> tuple[int, ...]:
        """How far a window reaches along each axis."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def is_symmetric(self) -> bool:
        """Whether both ends have the same padding, whatever the input's size."""
        return not self.same and self.begin == self.end


def window_of(attributes: Mapping[str, Any], kernel: Sequence[int]) -> Window:
    """Return the window that a node's attributes describe, for a kernel of this size."""
    axes = len(kernel)
    stride = _each_axis(attributes, "strides", axes, 1, least=1)
    dilation = _each_axis(attributes, "dilations", axes, 1, least=1)
    pads = _each_axis(attributes, "pads", 2 * axes, 0, least=0)
    auto_pad = attributes.get("auto_pad", "NOTSET")
    if auto_pad not in AUTO_PAD:
        raise NetworkError(f"auto_pad must be one of {', '.join(AUTO_PAD)}, got {auto_pad[:40]!r}")
    if auto_pad != "NOTSET":
        pads = (0,) * (2 * axes)
    same = auto_pad.removeprefix("SAME_") if auto_pad.startswith("SAME") else ""
    kernel = tuple(kernel)
    if same and all(step == 1 for step in stride):  # the padding depends on the kernel alone
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        begin, end = split_evenly(totals, begin_first=same == "LOWER")
        return Window(kernel, stride, dilation, begin, end, "")
    return Window(kernel, stride, dilation, pads[:axes], pads[axes:], same)


def kernel_shape(attributes: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the attribute kernel_shape, which a pooling must have."""
    shape: tuple[int, ...] = attributes.get("kernel_shape", ())
    if not shape or not all(1 <= size <= LARGEST for size in shape):
        raise NetworkError(f"kernel_shape must be positive sizes, got {list(shape[:8])}")
    return shape


def split_evenly(
    totals: Sequence[int], *, begin_first: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the padding at both ends of each axis, the odd element at the beginning or the end.

    >>> split_evenly([1, 2], begin_first=False)
    ((0, 1), (1, 1))
    """
    less, more = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return (more, less) if begin_first else (less, more)


def pad_ends(input: Tensor, begin: Sequence[int], end: Sequence[int], value: float = 0) -> Tensor:
    """Pad the last axes with a value, each by its own numbers; a negative number crops."""
    pairs = [size for pair in zip(reversed(begin), reversed(end), strict=True) for size in pair]
    return F.pad(input, pairs, value=value) if any(pairs) else input


def padded(
    input: Tensor,
    *,
    kernel: Sequence[int],
    attributes: Mapping[str, Any],
    value: float = 0,
    ceil: bool = False,
) -> Tensor:
    """Pad an input [batch, channels, *size] so that its windows need no padding more.

    ceil: whether the last window may end behind the padding. It must begin before its end.
    """
    begin, end = padding_of(input.shape[2:], window_of(attributes, kernel), ceil=ceil)
    return pad_ends(input, begin, end, value)


def padding_of(
    sizes: Sequence[int], window: Window, *, ceil: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the padding at both ends of axes of these sizes.

    >>> padding_of([5], window_of({"auto_pad": "SAME_UPPER", "strides": (2,)}, kernel=[2]))
    ((0,), (1,))
    """
    each_axis = zip(sizes, window.extent, window.stride, strict=True)
    if window.same:
        totals = [max(0, (-(-size // s) - 1) * s + e - size) for size, e, s in each_axis]
        return split_evenly(totals, begin_first=window.same == "LOWER")
    if not ceil:
        return window.begin, window.end
    ends = []
    for (size, extent, stride), begin, end in zip(each_axis, window.begin, window.end, strict=True):
        last = -(-(size + begin + end - extent) // stride) * stride  # where the last window begins
        if last >= size + begin:
            last -= stride
        ends.append(last + extent - size - begin)
    return window.begin, tuple(ends)


def _each_axis(
    attributes: Mapping[str, Any], name: str, count: int, default: int, least: int
) -> tuple[int, ...]:
    values: tuple[int, ...] = attributes.get(name, (default,) * count)
    if len(values) != count or not all(least <= value <= LARGEST for value in values):
        cause = f"{name} must be {count} numbers of at least {least}, got {list(values[:8])}"
        raise NetworkError(cause)
    return values
