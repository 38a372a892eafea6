"""Where the values of a plan are: in which memory, at which offset, with which strides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from glassconv.networks.graph import Value
from glassconv.operations.strided import Strided

# arena: the plan's own memory, which values with different lifetimes share. input: what a call is
# given. output: memory that is new in each call. tensor: a weight or a constant. result: what
# PyTorch returned in this call.
Memory = Literal["arena", "input", "output", "tensor", "result"]

IMAGE_AXES = 4  # batch, channel, row and column; kernels have loops for so many with gaps


@dataclass
class Root:
    """Memory that values are in. What kind it is may change until the plan is complete."""

    number: int
    memory: Memory
    bytes: int
    tensor: Tensor | None = None  # what is there before a call
    concatenation: str = ""  # whose memory it is, with the parts that are written into slices


class Address(NamedTuple):
    """A number of bytes after the start of a root."""

    root: int
    offset: int

    def __add__(self, more: object) -> Address:
        if not isinstance(more, int):
            return NotImplemented
        return Address(self.root, self.offset + more)


@dataclass(frozen=True)
class Place:
    """A tensor in a root."""

    root: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    offset: int = 0  # in elements

    @property
    def address(self) -> Address:
        """Return where its first element is."""
        return Address(self.root, self.offset * self.dtype.itemsize)

    @property
    def bytes(self) -> int:
        """Return how many bytes its elements have."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def strided(self) -> Strided:
        """Return where its elements are, as compiled operations take it."""
        return Strided(self.shape, self.strides, str(self.dtype).removeprefix("torch."))

    def like(self, device: str = "meta") -> Tensor:
        """Return a tensor that has its shape and strides; on "meta" it has no memory."""
        whole = torch.empty(self.offset + self.span, dtype=self.dtype, device=device)
        return whole.as_strided(self.shape, self.strides, self.offset)

    @property
    def span(self) -> int:
        """Return how many elements it is from the first to the last one, both included."""
        if not all(self.shape):
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))

    def of(self, memory: Tensor) -> Tensor:
        """Return the tensor, given that of its root: bytes, or a tensor of its element type."""
        typed = memory.view(self.dtype) if memory.dtype is torch.uint8 else memory
        return typed.as_strided(self.shape, self.strides, typed.storage_offset() + self.offset)


@dataclass(frozen=True)
class Slice:
    """The part of a concatenation that is a value: from `start` on along an axis."""

    whole: Value  # what the concatenation returns
    axis: int
    start: int
    is_direct: bool  # whether the value itself is there, and not only a copy of it


def part(place: Place, axis: int, start: int, stop: int) -> Place:
    """Return the place of a slice along an axis."""
    axis %= len(place.shape)
    shape = (*place.shape[:axis], stop - start, *place.shape[axis + 1 :])
    return replace(place, shape=shape, offset=place.offset + start * place.strides[axis])


def permuted(place: Place, axes: Sequence[int]) -> Place:
    """Return a place with its axes in another order."""
    shape, strides = (tuple(each[axis] for axis in axes) for each in (place.shape, place.strides))
    return replace(place, shape=shape, strides=strides)


def same_strides(shape: Sequence[int], one: Sequence[int], other: Sequence[int]) -> bool:
    """Return whether strides are the same along each axis of more than one entry."""
    return all(a == b or size <= 1 for size, a, b in zip(shape, one, other, strict=True))


def has_gaps(shape: Sequence[int], strides: Sequence[int], dense: Sequence[int]) -> bool:
    """Return whether an array is the dense one with gaps in it, such as a slice of a larger image.

    It has at most four axes, in the same order in memory, and is adjacent along the last of them.

    >>> has_gaps((1, 3, 4, 5), (120, 1, 30, 6), (60, 1, 15, 3))  # channels last
    True
    """
    axes = [each for size, *each in zip(shape, strides, dense, strict=True) if size > 1]
    if same_strides(shape, strides, dense) or len(shape) > IMAGE_AXES:
        return False
    ordered = sorted(axes, key=lambda each: each[1])
    return ordered == sorted(axes) and ordered[0] == [1, 1]


def dense_strides(shape: tuple[int, ...], *, channels_last: bool) -> tuple[int, ...]:
    """Return the strides of an array without gaps.

    >>> dense_strides((1, 3, 4, 5), channels_last=True)
    (60, 1, 15, 3)
    """
    order = list(range(len(shape)))
    if channels_last and len(shape) > 2:
        order = [0, *order[2:], 1]
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return tuple(strides)
