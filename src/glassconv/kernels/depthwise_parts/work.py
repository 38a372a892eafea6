"""What the depthwise kernel does, counted from its blocking."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from glassconv.codegen.target import Target
from glassconv.kernels.depthwise_parts.nchw import NchwParameters
from glassconv.kernels.depthwise_parts.nhwc import InputAccess, NhwcParameters
from glassconv.kernels.depthwise_parts.register_tile import CHUNK, DYNAMIC, TILE_SIZE, TapPattern
from glassconv.kernels.depthwise_parts.small_planes import SmallPlanesParameters
from glassconv.kernels.runtime.cost_model import Loop, Phase, Stream, activation_bytes, tiles_of
from glassconv.problem import ConvProblem


def phases_nchw(
    problem: ConvProblem, target: Target, p: NchwParameters[int], pattern: TapPattern
) -> tuple[Phase, ...]:
    """Return the copies of windows, and the tiles, of all tasks."""
    lanes = target.lanes(problem.dtype)
    rows = p.units * p.window_size / p.window_row_stride
    vectors = rows * ceil(p.window_row_stride / lanes)
    if p.column_element_stride <= 2:  # even and odd columns apart: a shuffle for each vector
        copies = Loop(vectors, multiply_adds=p.column_element_stride - 1, loads=1, stores=1,
                      entries=rows)  # fmt: skip
    else:
        copies = Loop(vectors, gathers=1, stores=1, entries=rows * p.column_segments)
    tiles = p.units * p.group_filters * p.column_vectors
    tap_rows = p.group_channels * p.kernel_width
    loops: list[Loop] = []
    for size, count in tiles_of(p.tile_rows, TILE_SIZE):
        loops += _tiles(tiles * count, size, pattern, tap_rows, p.kernel_height, aligned=False)
    read, written = _streams(problem)
    return Phase((copies,), (read,)), Phase(tuple(loops), (written,))


def phases_small_planes(
    problem: ConvProblem, target: Target, p: SmallPlanesParameters[int], pattern: TapPattern
) -> tuple[Phase, ...]:
    """Return the packing of weights, the two transpositions and the tiles, of all tasks."""
    lanes = target.lanes(problem.dtype)

    def transposed(elements: int) -> Loop:
        blocks = p.units * ceil(elements / lanes)
        shuffles = lanes * (lanes.bit_length() - 1)
        return Loop(blocks, multiply_adds=shuffles, loads=lanes, unaligned_loads=lanes,
                    stores=lanes, entries=blocks)  # fmt: skip

    loops: list[Loop] = []
    for size, count in tiles_of(p.output_columns, TILE_SIZE):
        tiles = p.units * p.output_rows * count
        loops += _tiles(tiles, size, pattern, p.kernel_height, p.kernel_width, aligned=True)
    read, written = _streams(problem)
    return (
        Phase((transposed(p.taps), transposed(p.input_pixels)), (read,)),
        Phase(tuple(loops)),
        Phase((transposed(p.output_pixels),), (written,)),
    )


def phases_nhwc(
    problem: ConvProblem,
    target: Target,
    p: NhwcParameters[int],
    pattern: TapPattern,
    access: InputAccess,
) -> tuple[Phase, ...]:
    """Return the packing of weights, the copies of windows if any, and the tiles, of all tasks."""
    lanes = target.lanes(problem.dtype)
    vectors = p.units * ceil(p.unit_channels / lanes)
    shuffles = lanes.bit_length() - 1
    packing = Loop(vectors * ceil(p.taps / lanes) * lanes, multiply_adds=shuffles,
                   masked_loads=1, stores=1, entries=vectors)  # fmt: skip
    tiles = vectors * p.unit_rows * p.column_phases
    counts = list(tiles_of(ceil(p.unit_columns / p.column_phases), TILE_SIZE))
    if not access.is_copied:  # the last tile is moved back
        counts = [(TILE_SIZE, ceil(p.unit_columns / TILE_SIZE))]
    loops: list[Loop] = []
    for size, count in counts:
        loops += _tiles(tiles * count, size, pattern, p.tap_rows, p.kernel_width, aligned=True)
    read, written = _streams(problem)
    if not access.is_copied:
        return Phase((packing,)), Phase(tuple(loops), (read, written))
    copied = vectors * p.group_channels * p.channel_window_size / p.unit_channels
    # A vector of channels is copied or shuffled; otherwise each channel is stored for its filters.
    stored = (
        1.0 if access.shuffled_group or p.group_filters == 1 else max(lanes / p.group_filters, 1.0)
    )
    pixels = copied / ceil(p.unit_channels / lanes)
    copies = Loop(copied * stored, multiply_adds=access.shuffled_group > 0, loads=1, stores=1,
                  entries=pixels)  # fmt: skip
    return Phase((packing,)), Phase((copies,), (read,)), Phase(tuple(loops), (written,))


def _streams(problem: ConvProblem) -> tuple[Stream, Stream]:
    """Return what is read and what is written; a line is read before it is written."""
    footprint = activation_bytes(problem)
    return Stream(problem.input_bytes, footprint), Stream(2 * problem.output_bytes, footprint)


def _tiles(
    tiles: float, size: int, pattern: TapPattern, tap_rows: int, taps: int, *, aligned: bool
) -> Iterator[Loop]:
    """Yield the loops of tiles of `size` outputs, over rows of taps.

    aligned: whether vectors of inputs begin with a cache line.
    """
    rows = tiles * tap_rows

    def loop(iterations: float, taps: int, inputs: int, entries: float) -> Loop:
        return Loop(iterations, multiply_adds=size * taps, chain=taps,
                    loads=taps + inputs * aligned, unaligned_loads=inputs * (not aligned),
                    entries=entries)  # fmt: skip

    if pattern.is_static:
        yield loop(rows, taps, pattern.inputs(size), tiles)
    elif pattern.taps != DYNAMIC:  # the taps are unrolled, and each output loads its own inputs
        yield loop(rows, taps, size * taps, tiles)
    else:
        chunks, rest = divmod(taps, CHUNK) if pattern.stride == 1 else (0, taps)
        inputs = TapPattern(CHUNK, 1).inputs(size)
        yield loop(rows * chunks, CHUNK, inputs, rows if chunks else 0)
        yield loop(rows * rest, 1, size, rows)
    yield Loop(tiles, loads=1, stores=size, entries=tiles)
