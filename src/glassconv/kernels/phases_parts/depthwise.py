"""Transposed depthwise convolution: each output adds the products of the taps of its phase.

    output[b, c, o] = bias[c] + Σ_t w[c, tap t of o's phase] · x[b, c, q + first − t · step]

o is number q of its phase along each axis. Vector lanes are channels. In NHWC inputs are read and
outputs are written in place; in NCHW a block of as many planes as lanes is transposed to a window,
and its outputs back (depthwise_task.py). A unit is a block of channels, rows and columns of
outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, gcd, prod

from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import Target
from glassconv.kernels.depthwise_parts.register_tile import TILE_SIZE
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.phases_parts import pieces
from glassconv.kernels.runtime.blocking import TASKS_PER_THREAD, Blocking, round_up
from glassconv.kernels.runtime.cost_model import Loop, Phase, Stream, Work, activation_bytes
from glassconv.kernels.runtime.cost_model import tiles_of as tiles_along
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest
from glassconv.problem.memory_layout import NCHW, Layout, output_strides
from glassconv.problem.phases import axis_phases
from glassconv.problem.transposed import TransposedProblem

MAX_PHASES = 1024  # the outputs of all phases, of a vector of channels, must stay in L2


@dataclass(frozen=True)
class TransposedDepthwiseBlocking(Blocking):
    """The blocks of a problem: a unit has so many rows, columns and channels of outputs."""

    unit_rows: int  # a multiple of the stride, or all
    unit_columns: int
    unit_channels: int  # a multiple of the lanes
    units_per_task: int
    workspace_bytes: int  # per thread


@dataclass(frozen=True)
class TransposedDepthwiseParameters(Struct[N]):
    """The kernel's parameters; strides and offsets are in elements.

    A table of `TapsOfPhase` follows, of the phases of the rows and then of those of the columns.
    """

    channels: N
    last_channel: N  # the first channel of the last unit
    unit_channels: N
    units: N
    units_per_task: N
    batch: N
    row_blocks: N
    column_blocks: N
    unit_rows: N
    unit_columns: N
    rows: N  # of outputs
    columns: N
    input_height: N
    input_width: N
    stride_h: N
    stride_w: N
    row_phases: N
    column_phases: N
    step_h: N  # inputs from a tap of a phase back to the next
    step_w: N
    taps: N
    next_row_tap: N  # taps from one of a phase to the next along the rows
    next_column_tap: N
    kernel_width: N
    least_h: N  # the least input that output 0 of a phase reads, over the phases
    least_w: N
    most_h: N  # and the greatest
    most_w: N
    input_stride_n: N
    input_stride_c: N  # NCHW
    input_stride_h: N
    output_stride_n: N
    output_stride_c: N  # NCHW
    source_stride_h: N  # of what tiles read: the input in NHWC, the window in NCHW
    source_stride_w: N
    result_stride_h: N  # of what tiles write
    result_stride_w: N
    bias_offset: N  # in the workspace, whose first array are the weights, [tap, channel]
    window_offset: N
    result_offset: N
    workspace_bytes: N


@dataclass(frozen=True)
class TapsOfPhase(Struct[N]):
    """One phase along an axis: what its output 0 reads."""

    first: N  # the input that it reads through the phase's first tap
    tap: N  # the first tap
    taps: N  # how many; 0 for a phase that no tap reaches


PHASE_WORDS = 3


def is_supported(problem: TransposedProblem, target: Target) -> bool:
    """Return whether a group is one channel and one filter, and there is a vector of groups."""
    return (
        problem.groups == problem.in_channels == problem.out_channels
        and problem.groups >= target.lanes(problem.dtype)
        and prod(problem.stride) <= MAX_PHASES
    )


def blocking(
    plane: TransposedProblem, layout: Layout, target: Target, threads: int
) -> TransposedDepthwiseBlocking:
    """Return the blocks of a 2D problem.

    What a unit reads and writes fits in an eighth of L2, and there is a unit for each task.
    """
    lanes, element = target.lanes(plane.dtype), plane.format.bytes
    channels, wanted = _unit_channels(plane, layout, target), _tasks_wanted(plane, threads)
    images = max(plane.batch * ceil(plane.out_channels / channels), 1)
    height, width = plane.output_size

    def units(block: tuple[int, int]) -> int:
        return images * ceil(height / block[0]) * ceil(width / block[1])

    def elements(block: tuple[int, int]) -> int:
        return channels * (prod(_window(plane, block, lanes)) + prod(block))

    block = height, width
    while units(block) < wanted or elements(block) * element > target.l2 // 8:
        smaller = _half(block, plane.stride)
        if smaller == block:
            break
        block = smaller
    space = _workspace(plane, layout, block, channels, lanes)[-1] * element
    return TransposedDepthwiseBlocking(
        unit_rows=block[0],
        unit_columns=block[1],
        unit_channels=channels,
        units_per_task=ceil(units(block) / wanted),
        workspace_bytes=round_up(space, CACHE_LINE),
    )


def _half(block: tuple[int, int], stride: tuple[int, ...]) -> tuple[int, int]:
    """Return half of a block's rows or, of a few rows, of its columns, with all phases.

    >>> _half((9, 12), (2, 2)), _half((2, 12), (2, 2)), _half((2, 2), (2, 2))
    ((6, 12), (2, 6), (2, 2))
    """
    rows, columns = block
    if rows > stride[0]:
        return round_up(ceil(rows / 2), stride[0]), columns
    if columns > stride[1]:
        return rows, round_up(ceil(columns / 2), stride[1])
    return block


def _tasks_wanted(plane: TransposedProblem, threads: int) -> int:
    most = prod(plane.output_shape) // pieces.MIN_ELEMENTS_PER_TASK
    return max(1, min(TASKS_PER_THREAD * threads, most))


def _unit_channels(plane: TransposedProblem, layout: Layout, target: Target) -> int:
    """Return the channels of a unit: in NHWC all, if their weights fit in half of L1."""
    lanes = target.lanes(plane.dtype)
    if layout.name == NCHW:
        return lanes
    vectors = ceil(plane.out_channels / lanes)
    most = max(1, target.l1 // 2 // target.vector_bytes // prod(plane.kernel_size))
    return ceil(vectors / ceil(vectors / most)) * lanes


def _workspace(
    plane: TransposedProblem, layout: Layout, block: tuple[int, int], channels: int, lanes: int
) -> tuple[int, int, int, int]:
    """Return where bias, window and results begin after the weights, and where they end.

    block: rows and columns of a unit.
    """
    bias = round_up(prod(plane.kernel_size), lanes) * channels
    window = bias + channels
    if layout.name != NCHW:
        return bias, window, window, window
    rows, columns = _window(plane, block, lanes)
    result = window + rows * columns * lanes
    # The last vector of the results may be partial.
    return bias, window, result, result + (prod(block) + lanes) * lanes


def _window(plane: TransposedProblem, block: tuple[int, int], lanes: int) -> tuple[int, int]:
    """Return the most rows and columns of inputs that a block of outputs reads, whole vectors."""
    sizes = []
    for axis, outputs in enumerate(block):
        least, most = _reach(plane, axis)
        reached = ceil(outputs / plane.stride[axis]) + max(most - least, 0)
        sizes.append(min(reached, plane.input_size[axis]))
    return sizes[0], round_up(sizes[1], lanes)


def _reach(plane: TransposedProblem, axis: int) -> tuple[int, int]:
    """Return the least and the greatest input that output 0 of a phase reads, over the phases."""
    found = axis_phases(plane, axis)
    leads = [phase.lead for phase in found]
    firsts = [phase.lead + (len(phase.taps) - 1) * phase.dilation for phase in found]
    return min(leads, default=0), max(firsts, default=-1)


def _taps_of_phases(plane: TransposedProblem, axis: int) -> list[TapsOfPhase[int]]:
    """Return the taps of the phases along an axis, by their first outputs."""
    found = [TapsOfPhase(0, 0, 0)] * min(plane.stride[axis], plane.output_size[axis])
    for phase in axis_phases(plane, axis):
        first = phase.lead + (len(phase.taps) - 1) * phase.dilation
        found[phase.outputs.start] = TapsOfPhase(first, phase.taps.start, len(phase.taps))
    return found


def parameters_of(
    plane: TransposedProblem,
    layout: Layout,
    target: Target,
    blocks: TransposedDepthwiseBlocking,
) -> tuple[TransposedDepthwiseParameters[int], tuple[int, ...]]:
    """Return the parameters of a 2D problem, and their table."""
    lanes, channels = target.lanes(plane.dtype), blocks.unit_channels
    block = (blocks.unit_rows, blocks.unit_columns)
    bias, window, result, _ = _workspace(plane, layout, block, channels, lanes)
    (rows, columns), (row_stride, column_stride) = plane.output_size, plane.stride
    row_blocks, column_blocks = ceil(rows / block[0]), ceil(columns / block[1])
    common = [gcd(*pair) for pair in zip(plane.stride, plane.dilation, strict=True)]
    phases = [_taps_of_phases(plane, axis) for axis in range(2)]
    (least_h, most_h), (least_w, most_w) = (_reach(plane, axis) for axis in range(2))
    stride_n, stride_c, stride_h, stride_w = layout.strides
    output_n, output_c, output_h, output_w = output_strides(plane, layout)
    source = (stride_h, stride_w)
    if layout.name == NCHW:
        source = (_window(plane, block, lanes)[1] * lanes, lanes)
        output_h, output_w = blocks.unit_columns * lanes, lanes
    parameters = TransposedDepthwiseParameters(
        channels=plane.out_channels,
        last_channel=plane.out_channels - lanes,
        unit_channels=channels,
        units=plane.batch * ceil(plane.out_channels / channels) * row_blocks * column_blocks,
        units_per_task=blocks.units_per_task,
        batch=plane.batch,
        row_blocks=row_blocks,
        column_blocks=column_blocks,
        unit_rows=block[0],
        unit_columns=block[1],
        rows=rows,
        columns=columns,
        input_height=plane.input_size[0],
        input_width=plane.input_size[1],
        stride_h=row_stride,
        stride_w=column_stride,
        row_phases=len(phases[0]),
        column_phases=len(phases[1]),
        step_h=plane.dilation[0] // common[0],
        step_w=plane.dilation[1] // common[1],
        taps=prod(plane.kernel_size),
        next_row_tap=row_stride // common[0],
        next_column_tap=column_stride // common[1],
        kernel_width=plane.kernel_size[1],
        least_h=least_h,
        least_w=least_w,
        most_h=most_h,
        most_w=most_w,
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        output_stride_n=output_n,
        output_stride_c=output_c,
        source_stride_h=source[0],
        source_stride_w=source[1],
        result_stride_h=output_h,
        result_stride_w=output_w,
        bias_offset=bias,
        window_offset=window,
        result_offset=result,
        workspace_bytes=blocks.workspace_bytes,
    )
    table = (
        word for along in phases for each in along for word in (each.first, each.tap, each.taps)
    )
    return parameters, tuple(table)


def max_threads(plane: TransposedProblem, tasks: int) -> int:
    """Return how many threads have work enough."""
    return max(1, min(tasks, prod(plane.output_shape) // pieces.MIN_ELEMENTS_PER_TASK))


def describe_loops(
    plane: TransposedProblem,
    layout: Layout,
    blocks: TransposedDepthwiseBlocking,
    units: int,
    lanes: int,
) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    is_nchw = layout.name == NCHW
    of_phase = ceil(plane.output_size[1] / plane.stride[1])
    return describe_loop_nest(
        f"for {units:,} blocks of {blocks.unit_rows:,} rows × {blocks.unit_columns:,} columns × "
        f"{blocks.unit_channels:,} channels, {blocks.units_per_task:,} in a task",
        [
            *(["transpose the inputs to the workspace"] if is_nchw else []),
            "for rows of outputs, and the phases of their columns",
            *(["transpose the outputs"] if is_nchw else []),
        ],
        f"for {at_a_time(of_phase, 'outputs of a phase', TILE_SIZE)}",
        f"for {at_a_time(blocks.unit_channels, 'channels', lanes)}",
        "for the taps of the phase: the register tile, one vector wide",
    )


def work(plane: TransposedProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a 2D problem."""
    lanes = target.lanes(plane.dtype)
    blocks = blocking(plane, layout, target, threads)
    p, _ = parameters_of(plane, layout, target, blocks)
    tasks, footprint = ceil(p.units / blocks.units_per_task), activation_bytes(plane)
    read = Stream(plane.input_bytes, footprint)
    written = Stream(2 * plane.output_bytes, footprint)  # a line is read before it is written
    vectors = ceil(plane.out_channels / lanes)
    # A task packs the weights of its first block of channels, and of those that begin in it.
    packed = (tasks + ceil(plane.out_channels / blocks.unit_channels)) * blocks.unit_channels
    of_taps = _transposed(packed / lanes * ceil(p.taps / lanes), lanes)
    tiles = tuple(_tiles(plane, plane.batch * vectors))
    phases = [Phase((of_taps,)), Phase(tiles, (read, written))]
    if layout.name == NCHW:
        height, width = plane.input_size
        of_inputs = _transposed(plane.batch * vectors * height * ceil(width / lanes), lanes)
        of_outputs = _transposed(
            plane.batch * vectors * ceil(prod(plane.output_size) / lanes), lanes
        )
        phases[1:] = [
            Phase((of_inputs,), (read,)),
            Phase(tiles),
            Phase((of_outputs,), (written,)),
        ]
    return Work(tuple(phases), tasks, min(threads, max_threads(plane, tasks)))


def _transposed(blocks: float, lanes: int) -> Loop:
    """Return the loop that transposes blocks of lanes × lanes elements."""
    shuffles = lanes * (lanes.bit_length() - 1)
    return Loop(blocks, multiply_adds=shuffles, loads=lanes, unaligned_loads=lanes,
                stores=lanes, entries=blocks)  # fmt: skip


def _tiles(plane: TransposedProblem, vectors: float) -> Iterator[Loop]:
    """Yield the loops of the tiles of all rows, for a number of vectors of channels."""
    height, width = plane.output_size
    row_taps = sum(
        len(range(first, height, plane.stride[0])) * phase.taps
        for first, phase in enumerate(_taps_of_phases(plane, 0))
    )
    tiles: dict[int, int] = {}
    column_taps: dict[int, int] = {}
    for first, phase in enumerate(_taps_of_phases(plane, 1)):
        for size, count in tiles_along(len(range(first, width, plane.stride[1])), TILE_SIZE):
            tiles[size] = tiles.get(size, 0) + count
            column_taps[size] = column_taps.get(size, 0) + count * phase.taps
    for size, count in tiles.items():
        yield Loop(
            vectors * row_taps * column_taps[size],
            multiply_adds=size,
            chain=1,
            loads=1 + size,
            entries=vectors * row_taps * count,
        )
        stored = vectors * height * count
        yield Loop(stored, loads=1, stores=size, entries=stored)
