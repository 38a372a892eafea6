"""Memory layouts of an input: the same shape at other strides, with NaN in every gap."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def channels_last(input: Tensor) -> Tensor:
    return input.movedim(1, -1).contiguous().movedim(-1, 1)


def sliced(input: Tensor) -> Tensor:
    """Return a slice of a larger array: an offset, and gaps between the rows."""
    larger = torch.full([size + 2 for size in input.shape], torch.nan, dtype=input.dtype)
    inner = larger[tuple(slice(1, size + 1) for size in input.shape)]
    return inner.copy_(input)


def every_second(axis: int) -> Callable[[Tensor], Tensor]:
    """Return the layout with a gap after each element along an axis."""

    def lay(input: Tensor) -> Tensor:
        after = axis % input.ndim + 1
        pairs = torch.stack([torch.full_like(input, torch.nan), input], dim=after)
        return pairs.select(after, 1)

    return lay


def expanded(axis: int) -> Callable[[Tensor], Tensor]:
    """Return the layout with stride 0 along an axis: the first element, repeated."""

    def lay(input: Tensor) -> Tensor:
        return input.narrow(axis, 0, min(1, input.shape[axis])).clone().expand(input.shape)

    return lay


def swapped(first: int, second: int) -> Callable[[Tensor], Tensor]:
    """Return the layout in which two axes are swapped in memory."""

    def lay(input: Tensor) -> Tensor:
        return input.transpose(first, second).contiguous().transpose(first, second)

    return lay


def _last(lay: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a layout of [batch, channels, …] as that layout of [batch, …, channels]."""
    return lambda input: lay(input.movedim(1, -1).contiguous()).movedim(-1, 1)


LAYOUTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda input: input.contiguous(),
    "channels last": channels_last,
    "sliced": sliced,
    "sliced, channels last": _last(sliced),
    "every second channel": every_second(1),
    "every second row": every_second(2),
    "every second pixel, channels last": _last(every_second(-2)),
    "expanded batch": expanded(0),
    "expanded batch, channels last": _last(expanded(0)),
    "expanded channels": expanded(1),
    "expanded rows": expanded(2),
    "expanded rows, channels last": _last(expanded(1)),
    "batch inside channels": swapped(0, 1),
    "columns outside rows": swapped(2, -1),
    "columns outside rows, channels last": _last(swapped(1, -2)),
}
