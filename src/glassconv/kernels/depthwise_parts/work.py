"""What the depthwise kernel does, counted from its blocking."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from glassconv.codegen.target import Target
from glassconv.kernels.depthwise_parts.nchw import NchwParameters
from glassconv.kernels.depthwise_parts.nhwc import NhwcParameters
from glassconv.kernels.depthwise_parts.nhwc_task import GATHER_TILE_SIZE
from glassconv.kernels.depthwise_parts.register_tile import DYNAMIC, TILE_SIZE, TapPattern
from glassconv.kernels.runtime.cost_model import Loop, Phase, Stream, activation_bytes, tiles_of
from glassconv.problem import ConvProblem


def phases_nchw(
    problem: ConvProblem, target: Target, p: NchwParameters[int], pattern: TapPattern
) -> tuple[Phase, ...]:
    """Return the copies of windows, and the tiles, of all tasks."""
    lanes, footprint = target.lanes(problem.dtype), activation_bytes(problem)
    rows = p.units * p.window_size / p.window_row_stride
    vectors = rows * ceil(p.window_row_stride / lanes)
    if p.column_element_stride <= 2:  # even and odd columns apart: a shuffle for each vector
        copies = Loop(vectors, multiply_adds=p.column_element_stride - 1, loads=1, stores=1,
                      masked_loads=rows / vectors, entries=rows)  # fmt: skip
    else:
        copies = Loop(vectors, gathers=1, stores=1, entries=rows * p.column_segments)
    tiles = p.units * p.multiplier * p.column_vectors
    loops: list[Loop] = []
    for size, count in tiles_of(p.unit_rows, TILE_SIZE):
        loops += _tiles(tiles * count, size, pattern, p.kernel_width, p.kernel_height)
    streams = Stream(problem.input_bytes, footprint), Stream(2 * problem.output_bytes, footprint)
    return Phase((copies,), streams[:1]), Phase(tuple(loops), streams[1:])


def phases_nhwc(
    problem: ConvProblem, target: Target, p: NhwcParameters[int], pattern: TapPattern
) -> tuple[Phase, ...]:
    """Return the packing of weights, and the tiles, of all tasks."""
    lanes, footprint = target.lanes(problem.dtype), activation_bytes(problem)
    vectors = p.units * ceil(p.unit_channels / lanes)
    shuffles = lanes.bit_length() - 1
    packing = Loop(vectors * ceil(p.taps / lanes) * lanes, multiply_adds=shuffles,
                   masked_loads=1, stores=1, entries=vectors)  # fmt: skip
    has_multiplier = p.multiplier > 1
    loops: list[Loop] = []
    for size, count in tiles_of(p.output_width, GATHER_TILE_SIZE if has_multiplier else TILE_SIZE):
        tiles = vectors * p.unit_rows * count
        loops += _tiles(tiles, size, pattern, p.kernel_height, p.kernel_width,
                        gathered=has_multiplier)  # fmt: skip
    streams = Stream(problem.input_bytes, footprint), Stream(2 * problem.output_bytes, footprint)
    return Phase((packing,)), Phase(tuple(loops), streams)


def _tiles(
    tiles: float, size: int, pattern: TapPattern, steps: int, taps: int, *, gathered: bool = False
) -> Iterator[Loop]:
    """Yield the loops of tiles of `size` outputs: over steps of `taps` taps, or over each tap."""
    if pattern.taps == DYNAMIC:
        inputs = {"gathers": size} if gathered else {"loads": size + 1}
        yield Loop(tiles * steps * taps, multiply_adds=size, chain=1, entries=tiles * steps,
                   **inputs)  # fmt: skip
    else:
        yield Loop(tiles * steps, multiply_adds=size * taps, chain=taps,
                   loads=pattern.inputs(size) + taps, entries=tiles)  # fmt: skip
    yield Loop(tiles, loads=1, stores=size, entries=tiles)
