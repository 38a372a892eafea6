"""Strips: neighbouring tiles of one row of tiles, which Winograd's kernels transform together.

Tiles are numbered through row by row and picture by picture, so a block of them may begin and end
anywhere, and small pictures of one batch fill blocks together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Value
from glassconv.codegen.legacy import Sizes

NAMES = (
    *("channels", "filters", "in_h", "in_w", "out_h", "out_w", "padding_h", "padding_w"),
    *("input_n", "input_c", "input_h", "input_w"),
    *("output_n", "output_c", "output_h", "output_w"),
    *("tiles_h", "tiles_w", "tiles", "tile_block", "tile_blocks", "strip"),
    *("filter_block", "filter_blocks", "filter_part", "filters_near", "k_block"),
    *("channel_part", "strip_row", "filter_u", "group_u", "raw"),
    *("row_v", "element_v", "row_m", "element_m"),
    *("strip_at", "m_at", "result_at", "workspace"),
)


@dataclass(frozen=True)
class Strip:
    """Some neighbouring tiles of a block: where they lie, and how many they are."""

    batch: Value
    y: Value  # of the first output
    x: Value
    tiles: Value
    place: Value  # of the first tile in its block


@contextmanager
def strips(code: Code, size: Sizes, outputs: int, first: Value, tiles: Value) -> Iterator[Strip]:
    """Repeat what is written within for each strip of a block of tiles."""
    across, stop = size.tiles_w, first + tiles
    with code.loop(first // across, (stop + across - 1) // across) as row:
        before = row * across
        last = (stop - before).minimum(across)
        with code.loop((first - before).maximum(0), last, size.strip) as tile:
            yield Strip(
                batch=row // size.tiles_h,
                y=row % size.tiles_h * outputs,
                x=tile * outputs,
                tiles=(last - tile).minimum(size.strip),
                place=before + tile - first,
            )
