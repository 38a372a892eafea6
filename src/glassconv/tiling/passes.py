"""passes: global means first, each from all tiles of what it is a mean of."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from glassconv.reports.tiles import TilePlan
from glassconv.tiling.means import mean_of
from glassconv.tiling.plan import regions_of
from glassconv.tiling.program import Program
from glassconv.tiling.regions import Region


def with_means(program: Program, plan: TilePlan, read: Callable[[Region], Tensor]) -> Program:
    """Return the program that knows its means. read: returns a region of the input."""
    known: dict[int, Tensor] = {}
    for (operation, of), before in zip(program.means, plan.before, strict=True):
        part = of.knowing(known)
        tiles = (
            part(read(part.reads(region)), region) for region in regions_of(part, before.tiles)
        )
        known[operation.outputs[0].number] = mean_of(operation, tiles)
    return program.knowing(known)
