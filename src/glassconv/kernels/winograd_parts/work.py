"""What the Winograd kernels do, counted from their blocking."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    activation_bytes,
    blocks_of,
    copy_of,
    product_loops,
)
from glassconv.kernels.winograd_parts.parameters import (
    KERNEL_SIZE,
    WinogradParameters,
    size_of_tile,
)
from glassconv.mathematics.cook_toom import Matrix
from glassconv.mathematics.decomposed import decomposed
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout


def phases_of(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    tile_outputs: int,
    p: WinogradParameters[int],
    threads: int,
) -> tuple[Phase, ...]:
    """Return the input transforms, the products and the output transforms of all tasks."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    is_nchw = layout.name == NCHW
    footprint = activation_bytes(problem)
    # The tasks of a block of tiles are taken by different threads, which transform it again.
    repeats = problem.groups * min(p.filter_blocks, threads)
    filter_vectors = ceil(p.filters / lanes)
    stride = problem.stride[0]
    inputs = tuple(_input_loops(p, tile_outputs, stride, repeats, lanes, is_nchw))
    outputs = tuple(
        _output_loops(p, tile_outputs, stride, problem.groups * filter_vectors, lanes, is_nchw)
    )
    tile_elements = size_of_tile(tile_outputs, stride) ** 2
    width = target.tile()[1] * lanes
    padded_filters = ceil(p.filters / width) * width
    products: list[Loop] = []
    for tiles, blocks in blocks_of(p.tiles, p.tile_block):
        for channels, k_blocks in blocks_of(p.channels, p.k_block):
            times = problem.groups * blocks * k_blocks * tile_elements
            products += product_loops(tiles, padded_filters, channels, times, target.tile(), lanes,
                                      tall=target.has_spare_row())  # fmt: skip
    u_bytes = problem.groups * tile_elements * padded_filters * p.channels * element
    panel_bytes = p.filters_in_l1 * min(p.channels, p.k_block) * element
    v_bytes = tile_elements * p.tile_block * p.channels * element
    return (
        Phase(inputs, (Stream(repeats / problem.groups * problem.input_bytes, footprint),)),
        Phase(
            tuple(products),
            (
                Stream(u_bytes),
                Stream((p.tile_blocks - 1) * u_bytes, u_bytes / problem.groups),
                Stream(
                    p.tile_blocks * v_bytes * problem.groups * padded_filters / p.filters_in_l1,
                    v_bytes + panel_bytes,
                ),
            ),
        ),
        Phase(outputs, (Stream(2 * problem.output_bytes, footprint),)),
    )


def packing_phases(
    problem: ConvProblem, tile_outputs: int, target: Target, p: WinogradParameters[int]
) -> tuple[Phase, ...]:
    """Return what packs a weight: a copy side by side, and its transform in float64."""
    size = size_of_tile(tile_outputs, problem.stride[0])
    width = target.tile()[1] * target.lanes(problem.dtype)
    numbers = problem.groups * ceil(p.filters / width) * width * p.channels
    columns = size * KERNEL_SIZE
    transform = Loop(
        numbers / target.lanes("float64"),
        multiply_adds=columns * (KERNEL_SIZE + size),
        loads=KERNEL_SIZE**2 + columns + size**2,
        stores=columns + 2 * size**2,  # into a buffer, and from it
    )
    u_bytes = size**2 * numbers * problem.format.bytes
    return (
        copy_of(problem.weight_bytes),
        Phase((transform,)),
        Phase((), (Stream(2 * u_bytes, u_bytes),)),
    )


def _input_loops(
    p: WinogradParameters[int],
    tile_outputs: int,
    stride: int,
    repeats: float,
    lanes: int,
    is_nchw: bool,
) -> Iterator[Loop]:
    size = size_of_tile(tile_outputs, stride)
    matrix = decomposed(tile_outputs, KERNEL_SIZE, stride).input
    strips = repeats * p.tiles / p.tiles_per_strip
    columns = p.tiles_per_strip * tile_outputs * stride + KERNEL_SIZE - stride
    channel_vectors = ceil(p.channels / lanes)
    rows = strips * size * channel_vectors  # of a vector of channels
    # The first and the last vector of a row may reach into the padding.
    masked = min(ceil(columns / lanes), 2) / ceil(columns / lanes) if is_nchw else 0.0
    if is_nchw:
        yield Loop(rows * columns, multiply_adds=_shuffles(lanes), loads=1 - masked,
                   masked_loads=masked, stores=1, entries=rows)  # fmt: skip
    # Σ|x|, and from it the test of each tile: a row of a matrix times the tile's pixels.
    yield Loop(rows * columns, multiply_adds=2, loads=1 - masked, masked_loads=masked,
               entries=rows)  # fmt: skip
    vectors = ceil(tile_outputs**2 / lanes)
    tiles = repeats * p.tiles
    yield Loop(tiles * size**2, multiply_adds=vectors + 1, chain=1, loads=vectors + 1,
               entries=tiles * size)  # fmt: skip
    yield Loop(tiles * tile_outputs**2, loads=1, entries=tiles * tile_outputs)
    yield _transform(matrix, strips * columns * channel_vectors, entries=strips * columns)
    yield _transform(matrix, tiles * size * channel_vectors, entries=tiles * channel_vectors)


def _output_loops(
    p: WinogradParameters[int],
    tile_outputs: int,
    stride: int,
    times: float,
    lanes: int,
    is_nchw: bool,
) -> Iterator[Loop]:
    size = size_of_tile(tile_outputs, stride)
    matrix = decomposed(tile_outputs, KERNEL_SIZE, stride).output
    tiles = times * p.tiles
    yield _transform(matrix, tiles * size, entries=tiles)
    yield _transform(matrix, tiles * tile_outputs, entries=tiles)
    if is_nchw:
        vectors = tiles * tile_outputs**2
        yield Loop(vectors, multiply_adds=_shuffles(lanes), loads=1, stores=1)


def _transform(matrix: Matrix, iterations: float, entries: float) -> Loop:
    """Return the loop that multiplies a small matrix by columns of vectors."""
    additions = sum(sum(map(bool, row)) - 1 for row in matrix)
    return Loop(
        iterations,
        multiply_adds=additions,
        loads=len(matrix[0]),
        stores=len(matrix),
        entries=entries,
    )


def _shuffles(lanes: int) -> int:
    """Return the shuffles for each vector of a transposition; one takes as long as an addition."""
    return lanes.bit_length() - 1
