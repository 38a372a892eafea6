"""What the direct kernel does, counted from its blocking."""

from __future__ import annotations

from collections.abc import Iterator

from glassconv.codegen.target import Target
from glassconv.kernels.direct_parts.task import tile_shapes
from glassconv.kernels.direct_parts.window import DirectParameters
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    activation_bytes,
    blocks_of,
    row_copies,
)
from glassconv.problem import ConvProblem


def phases_of(problem: ConvProblem, target: Target, p: DirectParameters[int]) -> tuple[Phase, ...]:
    """Return the copies of rows and the tiles of all tasks."""
    images, lanes = problem.batch * problem.groups, target.lanes(problem.dtype)
    footprint = activation_bytes(problem)
    read, written = (
        Stream(problem.input_bytes, footprint),
        Stream(2 * problem.output_bytes, footprint),
    )
    copies: list[Loop] = []
    tiles: list[Loop] = []
    for rows, count in blocks_of(p.output_height, p.row_block):
        times = images * count * p.column_blocks
        if p.needs_copy:
            copied = times * p.channels * ((rows - 1) * p.stride_h + p.extent_h)
            copies += row_copies(p.phase_length, copied * p.phases, p.stride_w, lanes)
        tiles += _tiles(rows * p.vectors_per_row, times, target, p)
    # Each tile of filters reads the window again, and its filters once for each tile of vectors.
    # A copy of the window is in L2. Of planes in place, each tile reads lines that are far apart.
    window = p.row_block * p.stride_h * p.channels * p.window_stride_h * problem.format.bytes
    passes = 1 if p.needs_copy else sum(number for _, _, number in _filter_tiles(p, target))
    streams = (
        Stream(problem.weight_bytes),
        Stream(passes * images * p.row_blocks * p.column_blocks * window, window),
        written,
    )
    if p.needs_copy:
        return Phase(tuple(copies), (read,)), Phase(tuple(tiles), streams)
    return (Phase(tuple(tiles), (*streams, read)),)


def _tiles(vectors: int, times: float, target: Target, p: DirectParameters[int]) -> Iterator[Loop]:
    """Yield the loops of the tiles of some vectors of all filters of a group."""
    for height, width, number in _filter_tiles(p, target):
        tiles = times * number * -(-vectors // width)
        area = height * width
        # A step loads the offset of its window, too.
        yield Loop(tiles * p.k, multiply_adds=area, chain=1, loads=height + 1,
                   unaligned_loads=width, entries=tiles)  # fmt: skip
        yield Loop(tiles, loads=height, stores=area)


def _filter_tiles(p: DirectParameters[int], target: Target) -> Iterator[tuple[int, int, int]]:
    """Yield the filters and the vectors of a tile, and how many such tiles the filters fill."""
    first = 0
    for height, width in tile_shapes(target):
        number = (p.filters - first) // height
        first += number * height
        yield height, width, number
