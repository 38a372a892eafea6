"""TilePlan: how an array is divided into tiles, and what that costs, before anything is run."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from glassconv.reports.shown import Shown

Bounds = tuple[tuple[int, int], ...]  # first position and the one after the last, along each axis


@dataclass(frozen=True)
class ExampleTile:
    """A tile in the middle: what it computes, and what it reads for that."""

    output: Bounds
    input: Bounds


@dataclass(frozen=True)
class TilePlan(Shown):
    """A plan of tiles. Axes are those of the image: not the batch and not the channels.

    Bytes and multiply-adds are those of all passes, tiles those of the last one.
    """

    network: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    dims: tuple[int, ...]  # of the output: those that are divided
    tiles: tuple[tuple[int, ...], ...]  # sizes along each divided dimension of the output
    halo: tuple[tuple[int, int], ...]  # positions of the input before and after a tile's own
    memory_bytes: int  # the limit
    peak_bytes: int  # predicted: of tiles, of what convolutions allocate, and of weights
    read_bytes: int  # of the input by all tiles together
    input_bytes: int
    output_bytes: int
    macs: int  # of all tiles together
    macs_of_whole: int
    example: ExampleTile
    before: tuple[TilePlan, ...]  # the passes of global means, in their order

    @property
    def count(self) -> int:
        """Return the number of tiles."""
        return prod(map(len, self.tiles))

    @property
    def redundant(self) -> float:
        """Return the share of multiply-adds that halos repeat, of those of the whole."""
        return self.macs / self.macs_of_whole - 1 if self.macs_of_whole else 0.0
