"""The arguments of poolings and paddings, along each axis, in whichever way PyTorch takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from glassconv.networks.graph import Operation


class Windows(NamedTuple):
    """The windows of a pooling, with one number for each spatial axis."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


def windows_of(pooling: Operation) -> Windows:
    """Return the windows of a maximum or average pooling; the stride may be left out."""
    ndim = int(pooling.function.removesuffix("_with_indices")[-2])
    arguments = pooling.arguments
    kernel_size, stride, padding, dilation = (
        _per_axis(arguments.get(name, 1), ndim) for name in Windows._fields
    )
    return Windows(kernel_size, stride or kernel_size, padding, dilation)


def mode_of_padding(padding: Operation) -> str:
    """Return the mode of a padding by the name that `torch.nn.functional.pad` has for it."""
    if padding.function.startswith("reflection"):
        return "reflect"
    if padding.function.startswith("replication"):
        return "replicate"
    return padding.arguments.get("mode") or "constant"


def sides_of_padding(padding: Operation, dim: int) -> tuple[int, int]:
    """Return how many positions a padding adds before and after a dim of its input."""
    name = "pad" if "pad" in padding.arguments else "padding"
    sides: Sequence[int] = padding.arguments[name]  # the last dim first
    place = 2 * (len(padding.inputs[0].shape) - 1 - dim)
    return (sides[place], sides[place + 1]) if place < len(sides) else (0, 0)


def _per_axis(given: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return a number for each axis, from one for all or one for each."""
    numbers = (given,) if isinstance(given, int) else tuple(given)
    return numbers * ndim if len(numbers) == 1 else numbers
