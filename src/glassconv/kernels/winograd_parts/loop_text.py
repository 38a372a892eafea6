"""A text description of the loop nest of the Winograd kernels."""

from __future__ import annotations

from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.register_tile import main_height
from glassconv.kernels.runtime.loop_text import (
    INDENT,
    at_a_time,
    describe_blocks,
    describe_loop_nest,
)
from glassconv.kernels.winograd_parts.parameters import WinogradParameters, size_of_tile
from glassconv.problem import ConvProblem


def describe_loops(
    problem: ConvProblem, p: WinogradParameters[int], target: Target, tile_outputs: int
) -> tuple[str, ...]:
    """Return one line per loop."""
    tile_elements = size_of_tile(tile_outputs, problem.stride[0]) ** 2
    width = target.tile()[1] * target.lanes(problem.dtype)
    tiles, filters = min(p.tile_block, p.tiles), min(p.filter_block, p.filters)
    part, k_block = min(p.filters_per_output_transform, filters), min(p.k_block, p.channels)
    rows, vectors = main_height(tiles, target.tile()[0]), target.tile()[1]
    groups = f"{problem.groups:,} groups, " if problem.groups > 1 else ""
    return (
        *describe_loop_nest(
            f"for {groups}{describe_blocks(p.tiles, p.tile_block, 'tiles')} "
            f"of {tile_outputs} × {tile_outputs} outputs",
            f"for {describe_blocks(p.filters, p.filter_block, 'filters')}: a task",
            [
                f"input transform: {tiles:,} tiles × {p.channels:,} channels to V, {tile_elements} "
                "elements per tile",
                f"for {at_a_time(filters, 'filters', part)}",
            ],
            f"for {tile_elements} elements of a tile: M = V · U",
            f"for {at_a_time(p.channels, 'channels', k_block)}",
            f"for {at_a_time(tiles, 'tiles', rows)}",
            f"for {at_a_time(part, 'filters', width)}",
            f"for {k_block:,} steps: the register tile, {rows} × {vectors} vectors",
        ),
        INDENT * 3 + f"output transform: M to {tile_outputs} × {tile_outputs} outputs, add bias",
    )
