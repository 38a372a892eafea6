"""Blocks of lanes × lanes elements, for planes that are transposed."""

from __future__ import annotations

from collections.abc import Iterator

from glassconv.codegen.ir import Code, Pointer, Value


def blocks_of(code: Code, total: Value) -> Iterator[tuple[Value, Value | None]]:
    """Emit the loop over whole vectors of `total` elements, and then the partial one, masked."""
    stop = total - total % code.lanes
    with code.loop(0, stop, code.lanes) as first:
        yield first, None
    with code.if_(stop < total):
        yield stop, code.first_lanes(total - stop)


def rows_of(first: Pointer, stride: Value, mask: Value | None) -> list[Value]:
    """Return a vector from each of as many rows as there are lanes."""
    rows = [first + lane * stride for lane in range(first.code.lanes)]
    return [row.vector() if mask is None else row.masked(mask) for row in rows]
