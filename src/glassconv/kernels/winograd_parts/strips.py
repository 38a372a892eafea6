"""Iteration over strips: runs of adjacent tiles in a row of tiles, which are transformed together.

Tiles are numbered consecutively over rows and images. So a block of tiles may start and end
anywhere, and may span several small images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Value
from glassconv.kernels.winograd_parts.parameters import WinogradParameters


@dataclass(frozen=True)
class Strip:
    """A run of adjacent tiles of a block."""

    image: Value
    y: Value  # output row of the tiles
    x: Value  # output column of the first tile
    tiles: Value
    tile_index: Value  # of the first tile, within the block


@contextmanager
def for_each_strip(
    code: Code, p: WinogradParameters[Value], tile_outputs: int, first: Value, tiles: Value
) -> Iterator[Strip]:
    """Emit a loop over the strips of a block of tiles."""
    tiles_per_row, stop = p.tiles_per_row, first + tiles
    with code.loop(first // tiles_per_row, (stop + tiles_per_row - 1) // tiles_per_row) as row:
        row_start = row * tiles_per_row
        row_stop = (stop - row_start).minimum(tiles_per_row)
        with code.loop((first - row_start).maximum(0), row_stop, p.tiles_per_strip) as tile:
            yield Strip(
                image=row // p.rows_of_tiles,
                y=row % p.rows_of_tiles * tile_outputs,
                x=tile * tile_outputs,
                tiles=(row_stop - tile).minimum(p.tiles_per_strip),
                tile_index=row_start + tile - first,
            )
