"""Compiled weight gradient of 3 × 3 kernels by the transposed Winograd algorithm F(4×4, 3×3).

    V[element, tile, channel] = Bᵀ d B        W[element, tile, filter] = A y Aᵀ
    M[element, channel, filter] = Σ_tile V · W              weight[filter, channel] = Gᵀ M G

d is a tile of the input, 6 × 6 pixels, and y the tile of output gradients, 4 × 4, whose windows
read it. Every product is a product of the forward call's algorithm, y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A:
that is linear in g, so its gradient is the transposed algorithm. 36 products take the place of 144.

A task transforms the tiles of some rows, for some channels and filters, and adds their products for
each element. Where its rows are all that there are, M stays in its thread's workspace and the task
transforms it. Else a second kernel adds the parts and does so. Blocks and parts depend on the
problem, never on the number of threads.

Transforms have fractions and mix the pixels of a tile. So output gradients of whole numbers are
given to gemm.py, and so is a problem whose result is not finite.

Source: A. Lavin and S. Gray, Fast algorithms for convolutional neural networks, 2016, of the
forward algorithm.
"""

from __future__ import annotations

from ctypes import addressof
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

from torch import Tensor

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads as available_threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack, words_of
from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import Blocking, round_up
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    Work,
    activation_bytes,
    product_loops,
)
from glassconv.kernels.runtime.loop_text import describe_blocks, describe_loop_nest
from glassconv.kernels.runtime.plan import workspace
from glassconv.kernels.weight_gradients import bounds, gemm
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.kernels.weight_gradients.winograd_parts.inverse import emit_inverse_task
from glassconv.kernels.weight_gradients.winograd_parts.parameters import (
    GradientParameters,
    InverseParameters,
    PlanesParameters,
)
from glassconv.kernels.weight_gradients.winograd_parts.task import emit_task
from glassconv.kernels.winograd_parts import kernel as forward
from glassconv.mathematics.cook_toom import Matrix, transposed
from glassconv.mathematics.decomposed import decomposed
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.problem.operands import is_finite
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.verdict import Verdict

TILE, TAPS = 4, 3  # output gradients of a tile, and taps, along each axis
SIZE = TILE + TAPS - 1
ELEMENTS = SIZE**2
# V, W and M take 1.4 MiB, and what is multiplied at once, a 36th of that, is in L1 and L2.
CHANNELS_AT_ONCE, FILTERS_AT_ONCE, TILES_AT_ONCE = 64, 64, 48
MAX_TILE_COLUMNS = 128
TASKS = 16  # into which a problem is divided, by parts of its tiles where it has fewer blocks
MIN_MACS_PER_TASK = 500_000


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether the problem has 3 × 3 kernels, stride and dilation 1, and one group."""
    verdict = forward.supports(problem)
    if not verdict:
        return verdict
    columns = ceil(problem.output_size[-1] / TILE)
    needs = {
        "one group": problem.groups == 1,
        "a batch that is not empty": problem.batch > 0,
        f"rows of at most {MAX_TILE_COLUMNS} tiles, got {columns}": columns <= MAX_TILE_COLUMNS,
    }
    missing = [need for need, is_met in needs.items() if not is_met]
    if missing:
        return Verdict(False, f"requires {missing[0]}")
    return Verdict(True, "transposed Winograd with register-tiled matrix products")


@dataclass(frozen=True)
class WinogradGradientBlocking(Blocking):
    """The blocks of a problem."""

    channel_block: int  # channels of a task
    filter_block: int  # filters of a task
    tile_rows: int  # rows of tiles that are transformed and multiplied at once
    parts: int  # into which all rows of tiles are divided
    rows_per_part: int


@dataclass(frozen=True)
class WinogradGradientPlan(GradientPlan):
    """The two kernels with their parameters for one problem. Call it with the arrays."""

    problem: ConvProblem
    blocking: WinogradGradientBlocking
    kernel: Compiled
    inverse: Compiled | None  # of several parts; None: tasks transform the sums of the only one
    parameters: Any  # packed, as the others
    planes: Any
    grad_planes: Any
    inverse_parameters: Any
    tasks: int
    inverse_tasks: int
    max_threads: int
    shared_bytes: int  # of the sums of all tasks, 0 where each thread has its own
    workspace_bytes: int  # per thread
    plain: GradientPlan
    loops: tuple[str, ...]  # a description of the loop nest, one line per loop

    def compute(self, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the gradients of weight and, unless it is None, of the bias to these arrays."""
        if is_whole(grad):
            self.plain.write(input, grad, weight, bias)
            return
        num_threads = min(available_threads(), self.max_threads)
        sums = workspace(self.shared_bytes + num_threads * self.workspace_bytes)
        arrays = words_of(
            input.data_ptr(),
            grad.data_ptr(),
            *map(addressof, (self.planes, self.grad_planes, self.inverse_parameters)),
            sums,
            weight.data_ptr(),
            sums + self.shared_bytes,
        )
        self.kernel.call(self.parameters, arrays, self.tasks, num_threads)
        if self.inverse is not None:
            arrays = words_of(sums, weight.data_ptr())
            self.inverse.call(self.inverse_parameters, arrays, self.inverse_tasks, num_threads)
        if not is_finite(weight):
            self.plain.write(input, grad, weight, bias)
        elif bias is not None:
            bias.copy_(grad.sum((0, 2, 3)))


def is_whole(grad: Tensor) -> bool:
    """Return whether all numbers are whole; nearly every array is known by its first plane."""
    first = grad[0, 0]
    return bool((first == first.round()).all()) and bool((grad == grad.round()).all())


def plan(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> WinogradGradientPlan:
    """Plan the weight's gradient of a supported problem, for contiguous arrays in this layout."""
    blocks = blocking(problem, target)
    lanes, filters, channels = (
        target.lanes(problem.dtype),
        problem.out_channels,
        problem.in_channels,
    )
    tile_rows, tile_columns = (ceil(size / TILE) for size in problem.output_size)
    tiles = blocks.tile_rows * tile_columns
    channel_block, filter_block = blocks.channel_block, blocks.filter_block
    channel_blocks, filter_blocks = ceil(channels / channel_block), ceil(filters / filter_block)
    input_stride, grad_stride, sums_stride = _element_strides(tiles, blocks, lanes)
    sums_elements, is_shared = ELEMENTS * sums_stride, blocks.parts > 1
    inputs_offset = 0 if is_shared else sums_elements
    gradients_offset = inputs_offset + ELEMENTS * input_stride
    strip_offset = gradients_offset + ELEMENTS * grad_stride
    strip_columns = round_up(tile_columns * TILE + TAPS - 1, lanes)
    workspace_elements = strip_offset + (ELEMENTS + SIZE * strip_columns) * lanes
    workspace_bytes = round_up(workspace_elements * problem.format.bytes, CACHE_LINE)
    (top, _), (left, _) = problem.padding
    is_nchw = layout.name == NCHW
    parameters = GradientParameters(
        channels=channels,
        filters=filters,
        channel_block=channel_block,
        channel_blocks=channel_blocks,
        filter_block=filter_block,
        filter_blocks=filter_blocks,
        tile_columns=tile_columns,
        rows=problem.batch * tile_rows,
        rows_per_block=blocks.tile_rows,
        rows_per_part=blocks.rows_per_part,
        sums_per_thread=0 if is_shared else workspace_bytes // problem.format.bytes,
        sums_per_task=sums_elements if is_shared else 0,
        inputs_offset=inputs_offset,
        gradients_offset=gradients_offset,
        strip_offset=strip_offset,
        workspace_bytes=workspace_bytes,
    )
    sizes = (
        (problem.input_size, channels, (top, left), channel_block, input_stride),
        (problem.output_size, filters, (0, 0), filter_block, grad_stride),
    )
    planes, grad_planes = (
        pack(
            PlanesParameters(
                height=size[0],
                width=size[1],
                padding_h=padding[0],
                padding_w=padding[1],
                stride_n=planes * size[0] * size[1],
                stride_c=size[0] * size[1] if is_nchw else 1,
                stride_h=size[1] if is_nchw else size[1] * planes,
                stride_w=1 if is_nchw else planes,
                tile_columns=tile_columns,
                tile_rows=tile_rows,
                channel_block=block,
                element_stride=stride,
            )
        )
        for size, planes, padding, block, stride in sizes
    )
    inverse = InverseParameters(
        channels=channels,
        filters=filters,
        channel_block=channel_block,
        filter_blocks=filter_blocks,
        parts=blocks.parts,
        part_stride=channel_blocks * filter_blocks * sums_elements,
        block_stride=sums_elements,
        element_stride=sums_stride,
        row_stride=filter_block,
    )
    tasks = _tasks(problem, blocks)
    return WinogradGradientPlan(
        problem,
        blocks,
        _compile(problem.dtype, layout.name, target),
        _compile_inverse(problem.dtype, target) if is_shared else None,
        pack(parameters),
        planes,
        grad_planes,
        pack(inverse),
        tasks=tasks,
        inverse_tasks=channel_blocks * filter_blocks * filter_block // lanes,
        max_threads=_max_threads(problem, tasks),
        shared_bytes=round_up(tasks * sums_elements * problem.format.bytes, CACHE_LINE)
        if is_shared
        else 0,
        workspace_bytes=workspace_bytes,
        plain=gemm.plan(problem, layout, target, threads),
        loops=_loops(problem, blocks),
    )


def blocking(problem: ConvProblem, target: Target) -> WinogradGradientBlocking:
    """Return the blocks of a problem, which do not depend on the number of threads."""
    lanes = target.lanes(problem.dtype)
    width = target.tile()[1] * lanes
    tile_rows, tile_columns = (ceil(size / TILE) for size in problem.output_size)
    rows = problem.batch * tile_rows
    channel_block = round_up(min(problem.in_channels, CHANNELS_AT_ONCE), lanes)
    filter_block = round_up(min(problem.out_channels, FILTERS_AT_ONCE), width)
    rows_per_block = min(rows, max(1, TILES_AT_ONCE // tile_columns))
    units = ceil(problem.in_channels / channel_block) * ceil(problem.out_channels / filter_block)
    blocks = ceil(rows / rows_per_block)
    parts = max(1, min(ceil(TASKS / units), blocks, problem.macs // units // MIN_MACS_PER_TASK))
    rows_per_part = ceil(blocks / parts) * rows_per_block
    return WinogradGradientBlocking(
        channel_block,
        filter_block,
        rows_per_block,
        parts=ceil(rows / rows_per_part),
        rows_per_part=rows_per_part,
    )


def _element_strides(
    tiles: int, blocks: WinogradGradientBlocking, lanes: int
) -> tuple[int, int, int]:
    """Return how far apart elements of the input, of the output's gradient and of the sums are.

    That is an odd number of vectors, for other sets of L1.
    """
    channels, filters = blocks.channel_block, blocks.filter_block
    input, grad, sums = (
        (numbers // lanes | 1) * lanes
        for numbers in (tiles * channels, tiles * filters, channels * filters)
    )
    return input, grad, sums


def _tasks(problem: ConvProblem, blocks: WinogradGradientBlocking) -> int:
    channel_blocks = ceil(problem.in_channels / blocks.channel_block)
    return blocks.parts * channel_blocks * ceil(problem.out_channels / blocks.filter_block)


def _max_threads(problem: ConvProblem, tasks: int) -> int:
    return max(1, min(tasks, problem.macs // MIN_MACS_PER_TASK))


def error_bound(problem: ConvProblem) -> ErrorBound:
    """Return the bound of the gradient, as of the convolution that equals it."""
    return bounds.winograd(problem)


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    blocks = blocking(problem, target)
    tasks = _tasks(problem, blocks)
    lanes = target.lanes(problem.dtype)
    channel_blocks = ceil(problem.in_channels / blocks.channel_block)
    filter_blocks = ceil(problem.out_channels / blocks.filter_block)
    tile_rows, tile_columns = (ceil(size / TILE) for size in problem.output_size)
    rows = problem.batch * tile_rows
    matrices, footprint = _matrices(), activation_bytes(problem)
    transforms = [
        _transform(matrix, rows * tile_columns * times * ceil(planes / lanes))
        for matrix, times, planes in (
            (matrices[0], filter_blocks, problem.in_channels),
            (matrices[1], channel_blocks, problem.out_channels),
        )
    ]
    k = blocks.tile_rows * tile_columns
    times = ELEMENTS * ceil(rows / blocks.tile_rows) * channel_blocks * filter_blocks
    products = product_loops(
        min(blocks.channel_block, problem.in_channels), blocks.filter_block, k, times,
        target.tile(), lanes,
    )  # fmt: skip
    sums = ELEMENTS * problem.in_channels * ceil(problem.out_channels / lanes)
    inverse = Loop(sums, multiply_adds=blocks.parts + 3, loads=blocks.parts, stores=1)
    sums_bytes = (
        ELEMENTS * problem.weight_bytes // TAPS**2 * (blocks.parts if blocks.parts > 1 else 0)
    )
    phases = (
        Phase((transforms[0],), (Stream(filter_blocks * problem.input_bytes, footprint),)),
        Phase((transforms[1],), (Stream(channel_blocks * problem.output_bytes, footprint),)),
        Phase(tuple(products)),
        Phase((inverse,), (Stream(2 * sums_bytes, sums_bytes), Stream(problem.weight_bytes))),
    )
    launches = 2 if blocks.parts > 1 else 1
    return Work(phases, tasks, min(threads, _max_threads(problem, tasks)), launches=launches)


def _transform(matrix: Matrix, vectors: float) -> Loop:
    """Return the loop that transforms so many vectors of tiles, each loaded and transposed."""
    size, pixels = len(matrix), len(matrix[0])
    additions = sum(sum(map(bool, row)) for row in matrix)
    return Loop(
        vectors,
        multiply_adds=additions * (pixels + size) + TILE * pixels * 5,
        loads=TILE * pixels + pixels * pixels + size * pixels,
        stores=TILE * pixels + size * pixels + size * size,
        entries=vectors,
    )


def _loops(problem: ConvProblem, blocks: WinogradGradientBlocking) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    rows = problem.batch * ceil(problem.output_size[0] / TILE)
    return describe_loop_nest(
        f"for {describe_blocks(rows, blocks.rows_per_part, 'rows of tiles')} (parts)",
        f"for {describe_blocks(problem.in_channels, blocks.channel_block, 'channels')}, "
        f"{describe_blocks(problem.out_channels, blocks.filter_block, 'filters')}: a task",
        f"for {describe_blocks(blocks.rows_per_part, blocks.tile_rows, 'rows of tiles')}",
        [
            "transform the tiles of the input and of the output's gradient",
            f"for {ELEMENTS} elements: add the product of all tiles",
        ],
    )


# -- in machine code --------------------------------------------------------------------------


def _matrices() -> tuple[Matrix, Matrix]:
    """Return the transforms of the input and of the output's gradient."""
    matrices = decomposed(TILE, TAPS, 1)
    return matrices.input, transposed(matrices.output)


@cache
def _compile(dtype: str, layout: str, target: Target) -> Compiled:
    module = Module("winograd_gradient", dtype, target)
    in_parallel(module, emit_task(module, layout, decomposed(TILE, TAPS, 1)))
    return compiled(module, "winograd_gradient")


@cache
def _compile_inverse(dtype: str, target: Target) -> Compiled:
    module = Module("winograd_inverse", dtype, target)
    in_parallel(module, emit_inverse_task(module, decomposed(TILE, TAPS, 1).filter))
    return compiled(module, "winograd_inverse")
