"""The loops of Winograd's kernel in words, with the numbers of one problem."""

from __future__ import annotations

from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.register_tile import main_height
from glassconv.kernels.runtime.loop_text import INDENT, at_a_time, blocks, describe_loop_nest
from glassconv.kernels.winograd_parts.parameters import TAPS, WinogradParameters
from glassconv.problem import ConvProblem


def loops(
    problem: ConvProblem, p: WinogradParameters[int], target: Target, outputs: int
) -> tuple[str, ...]:
    """Return a line for each loop."""
    elements = (outputs + TAPS - 1) ** 2
    rows, vectors = target.tile()
    width = vectors * target.lanes(problem.dtype)
    tiles, filters = min(p.tile_block, p.tiles), min(p.filter_block, p.filters)
    part, k = min(p.filter_part, filters), min(p.k_block, p.channels)
    rows = main_height(tiles, rows)
    groups = f"for {problem.groups:,} groups, " if problem.groups > 1 else "for "
    return (
        *describe_loop_nest(
            f"{groups}{blocks(p.tiles, p.tile_block, 'tiles')}, "
            f"each of {outputs} × {outputs} outputs",
            f"for {blocks(p.filters, p.filter_block, 'filters')}: a task",
            [
                f"transform {tiles:,} tiles of {p.channels:,} channels: V, {elements} elements "
                "each",
                f"for {at_a_time(filters, 'filters', part)}",
            ],
            f"for {elements} elements of a tile: M = V · U",
            f"for {at_a_time(p.channels, 'channels', k)}",
            f"for {at_a_time(tiles, 'tiles', rows)}",
            f"for {at_a_time(part, 'filters', width)}",
            f"for {k:,} steps: the register tile, {rows} × {vectors} vectors",
        ),
        INDENT * 3 + f"transform M back to {outputs} × {outputs} outputs, add the bias",
    )
