"""Strips: neighbouring tiles of one row of tiles, which Winograd's kernels transform together.

Tiles are numbered row by row and image by image, so a block of them may begin and end anywhere, and
small images of one batch fill blocks together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Value
from glassconv.kernels.winograd_parts.parameters import WinogradParameters


@dataclass(frozen=True)
class Strip:
    """Some neighbouring tiles of a block: where they are, and how many."""

    image: Value
    y: Value  # of the first output
    x: Value
    tiles: Value
    place: Value  # of the first tile in its block


@contextmanager
def strips(
    code: Code, p: WinogradParameters[Value], outputs: int, first: Value, tiles: Value
) -> Iterator[Strip]:
    """Repeat what is written within for each strip of a block of tiles."""
    per_row, stop = p.tiles_per_row, first + tiles
    with code.loop(first // per_row, (stop + per_row - 1) // per_row) as row:
        start = row * per_row
        last = (stop - start).minimum(per_row)
        with code.loop((first - start).maximum(0), last, p.strip_tiles) as tile:
            yield Strip(
                image=row // p.rows_of_tiles,
                y=row % p.rows_of_tiles * outputs,
                x=tile * outputs,
                tiles=(last - tile).minimum(p.strip_tiles),
                place=start + tile - first,
            )
