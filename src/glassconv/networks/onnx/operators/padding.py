"""Pad: PyTorch's pad for the axes that it names; a negative number crops."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.networks.onnx.integers import Integers, integers
from glassconv.networks.onnx.node import Call, Node, Value, call

PADS_AS_INPUT = 11  # attributes before
MODES = ("constant", "reflect", "edge", "wrap")


def pad(node: Node) -> Call:
    """Return F.pad for constants, or a function that reads each axis by index."""
    mode = node.one_of("mode", "constant", MODES)
    pads, value, axes = (node.numbers(index) for index in (1, 2, 3))
    if node.version < PADS_AS_INPUT:
        pads, value = node.get("pads", ()), (node.get("value", 0.0),)
    if mode != "constant":
        return call(padded_by_index, node.value(0), pads, axes, mode=mode)
    number = value if value is None or isinstance(value, Value) else value[0]
    return call(padded_by_value, node.value(0), pads, number, axes)


def padded_by_value(
    input: Tensor, pads: Integers, value: Tensor | float | None, axes: Integers | None
) -> Tensor:
    """Pad each axis at its two ends with one value, by default 0."""
    begin, end = _ends(input, pads, axes)
    pairs = [size for pair in zip(begin[::-1], end[::-1], strict=True) for size in pair]
    number = value.item() if isinstance(value, Tensor) else value
    return F.pad(input, pairs, value=0 if number is None else number)


def padded_by_index(input: Tensor, pads: Integers, axes: Integers | None, *, mode: str) -> Tensor:
    """Pad each axis with its own elements: mirrored, the outermost, or from the other end."""
    for axis, (begin, end) in enumerate(zip(*_ends(input, pads, axes), strict=True)):
        if (begin, end) == (0, 0):
            continue
        size = input.shape[axis]
        places = torch.arange(-begin, size + end, device=input.device)
        if mode == "edge":
            places = places.clamp(0, size - 1)
        elif mode == "wrap":
            places = places % size
        else:
            period = max(1, 2 * (size - 1))
            places = (size - 1) - ((places % period) - (size - 1)).abs()
        input = input.index_select(axis, places)
    return input


def _ends(input: Tensor, pads: Integers, axes: Integers | None) -> tuple[list[int], list[int]]:
    """Return the padding at the beginning and at the end of every axis."""
    sizes = integers(pads)
    listed = range(input.ndim) if axes is None else integers(axes)
    begin, end = [0] * input.ndim, [0] * input.ndim
    count = len(sizes) // 2
    for axis, first, last in zip(listed, sizes[:count], sizes[count:], strict=True):
        begin[axis], end[axis] = first, last
    return begin, end


CONVERTERS = {"Pad": pad}
