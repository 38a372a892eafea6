"""Arrange buffers in one block of memory: those that are needed at the same time do not overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 64  # bytes, a cache line


@dataclass(frozen=True)
class Buffer:
    """Memory that is needed from one step to another, both included."""

    number: int
    bytes: int
    first: int
    last: float  # a step, as in `Lifetime`


def arrange(buffers: Sequence[Buffer]) -> tuple[Mapping[int, int], int]:
    """Return the offset of each buffer in bytes, by its number, and the size of the whole.

    The largest buffer is placed first, each at the lowest offset that is free while it is needed
    (Pisarchyk & Lee, 2020, "greedy by size").

    >>> arrange([Buffer(0, 128, 0, 1), Buffer(1, 64, 1, 2), Buffer(2, 128, 2, 3)])
    ({0: 0, 2: 0, 1: 128}, 192)
    """
    placed: list[tuple[Buffer, int]] = []
    for buffer in sorted(buffers, key=lambda each: (-each.bytes, each.first)):
        at_once = sorted(
            (offset, offset + other.bytes)
            for other, offset in placed
            if other.first <= buffer.last and buffer.first <= other.last
        )
        offset = 0
        for start, stop in at_once:
            if offset + buffer.bytes <= start:
                break
            offset = max(offset, -(-stop // ALIGNMENT) * ALIGNMENT)
        placed.append((buffer, offset))
    size = max((offset + buffer.bytes for buffer, offset in placed), default=0)
    return {buffer.number: offset for buffer, offset in placed}, size
