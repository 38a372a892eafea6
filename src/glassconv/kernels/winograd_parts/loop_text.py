"""What Winograd's kernel does with the numbers of one problem, in words."""

from __future__ import annotations

from collections.abc import Mapping

from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.register_tile import main_height
from glassconv.kernels.runtime.loop_text import INDENT, at_a_time, blocks, describe_loop_nest
from glassconv.problem import ConvProblem


def loops(
    problem: ConvProblem, size: Mapping[str, int], target: Target, outputs: int, taps: int
) -> tuple[str, ...]:
    """Return a line for each loop."""
    elements, channels = (outputs + taps - 1) ** 2, size["channels"]
    rows, vectors = target.tile()
    width = vectors * target.lanes(problem.dtype)
    tiles = min(size["tile_block"], size["tiles"])
    filters = min(size["filter_block"], size["filters"])
    part, k = min(size["filter_part"], filters), min(size["k_block"], channels)
    rows = main_height(tiles, rows)
    groups = f"for {problem.groups:,} groups, " if problem.groups > 1 else "for "
    return (
        *describe_loop_nest(
            f"{groups}{blocks(size['tiles'], size['tile_block'], 'tiles')}, "
            f"each of {outputs} × {outputs} outputs",
            f"for {blocks(size['filters'], size['filter_block'], 'filters')}: a task",
            [
                f"transform {tiles:,} tiles of {channels:,} channels: V, {elements} elements each",
                f"for {at_a_time(filters, 'filters', part)}",
            ],
            f"for {elements} elements of a tile: M = V · U",
            f"for {at_a_time(channels, 'channels', k)}",
            f"for {at_a_time(tiles, 'tiles', rows)}",
            f"for {at_a_time(part, 'filters', width)}",
            f"for {k:,} steps: the register tile, {rows} × {vectors} vectors",
        ),
        INDENT * 3 + f"transform M back to {outputs} × {outputs} outputs, add the bias",
    )
