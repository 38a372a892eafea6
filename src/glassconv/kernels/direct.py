"""Compiled direct convolution: a register tile reads its windows from a padded copy of rows.

    output[filter, row, column] = Σ_k weight[filter, k] · window[offset[k] + place(row, column)]

A task computes a block of output rows. It copies the input rows that they read into a window, with
their padding, so that no load needs a mask. A row is copied phase by phase of the horizontal
stride, so the inputs of adjacent outputs are adjacent. Then the input of tap k = (channel, u, v) is
at the same offset from the place of every output, and a table holds the offsets. An input without
padding, of stride 1, is its own window.

A register tile covers several filters × several vectors of adjacent outputs. Vectors are numbered
consecutively across output rows, so a tile may span several rows. The last vector of a row is
aligned to the end of the row and may recompute some outputs.

An input is copied once and not once per tap, as by im2col, but the window must hold all channels.
So the kernel is intended for few filters or few channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.direct_parts.task import emit_task, tile_shapes
from glassconv.kernels.direct_parts.window import DirectParameters, offsets_of, window_of
from glassconv.kernels.direct_parts.work import phases_of
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import Blocking, round_up, tasks_wanted
from glassconv.kernels.runtime.cost_model import Work
from glassconv.kernels.runtime.loop_text import (
    at_a_time,
    describe_batch,
    describe_blocks,
    describe_loop_nest,
)
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout, output_strides
from glassconv.reports.verdict import Verdict

MIN_MACS_PER_TASK = 500_000
MAX_LANES = 16  # over all targets, because `supports` does not depend on the target
MAX_WINDOW_BYTES = 2**20  # for one vector of outputs


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether the layout is NCHW, a row is at least a vector, and the window is small."""
    if layout != NCHW:
        return Verdict(False, "requires the NCHW layout")
    common = supports_common(problem)
    if not common:
        return common
    width = problem.output_size[-1]
    if width < MAX_LANES:
        return Verdict(False, f"requires an output width of at least {MAX_LANES}, got {width}")
    window_bytes = window_of(problem, 1, MAX_LANES).size * ELEMENT_BYTES[problem.dtype]
    if window_bytes > MAX_WINDOW_BYTES:
        return Verdict(False, f"requires windows of at most {MAX_WINDOW_BYTES:,} bytes")
    return Verdict(True, "register-tiled direct convolution without im2col")


@dataclass(frozen=True)
class DirectBlocking(Blocking):
    """The blocks of a problem."""

    row_block: int  # output rows of a task
    column_block: int  # output columns of a task
    vectors_per_row: int  # vectors that cover the columns of a task
    workspace_bytes: int  # per thread: the window; 0 if the input is its own window


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a supported problem, for inputs in the given memory layout."""
    blocks = blocking(problem, layout, target, threads)
    parameters = _parameters(problem, layout, blocks)
    tasks = _tasks(problem, parameters)
    return Plan(
        problem,
        layout,
        _compile(problem.dtype, target, epilogue),
        blocks,
        pack(parameters, offsets_of(problem, parameters)),
        tasks,
        blocks.workspace_bytes,
        max_threads=_max_threads(problem, tasks, threads),
        pack=None,
        loops=_loops(problem, blocks, target),
        hot_function="tile_{}x{}".format(*_largest_tile(problem, target)),
    )


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    parameters = _parameters(problem, layout, blocking(problem, layout, target, threads))
    tasks = _tasks(problem, parameters)
    phases = phases_of(problem, target, parameters)
    return Work(phases, tasks, min(threads, _max_threads(problem, tasks, threads)))


def _tasks(problem: ConvProblem, p: DirectParameters[int]) -> int:
    return problem.batch * problem.groups * p.row_blocks * p.column_blocks


def _max_threads(problem: ConvProblem, tasks: int, threads: int) -> int:
    return max(1, min(tasks, tasks_wanted(problem, threads, MIN_MACS_PER_TASK)))


def blocking(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> DirectBlocking:
    """Return the blocks of a problem: as many rows as fit, or a part of one row."""
    rows, columns = problem.as_2d().axes
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    most = target.l2 // 2 // element
    images = max(problem.batch * problem.groups, 1)
    per_image = ceil(tasks_wanted(problem, threads, MIN_MACS_PER_TASK) / images)
    height, width = rows.output_size, columns.output_size
    most_rows, most_columns = height, ceil(height * width / per_image)
    if _needs_copy(problem):
        one_row = window_of(problem, 1, width)
        row_elements = one_row.size // one_row.rows
        most_rows = max(1, (most // row_elements - one_row.rows) // rows.stride + 1)
        one_column = one_row.size // one_row.phase_length
        most_columns = min(most_columns, most // one_column - (one_row.phase_length - width))
    column_block = max(ceil(width / ceil(width / max(most_columns, lanes))), lanes)
    # The rows that leave the busiest thread the least to do; of equally good ones, the fewest.
    images *= ceil(width / column_block)
    fewest = ceil(height / most_rows)
    row_block = min(
        (ceil(height / count) for count in range(fewest, fewest + per_image)),
        key=lambda size: (ceil(images * ceil(height / size) / threads) * size, size),
    )
    size = window_of(problem, row_block, column_block).size + lanes  # the copy writes full vectors
    return DirectBlocking(
        row_block=row_block,
        column_block=column_block,
        vectors_per_row=ceil(column_block / lanes),
        workspace_bytes=round_up(size * element, CACHE_LINE) if _needs_copy(problem) else 0,
    )


def _needs_copy(problem: ConvProblem) -> bool:
    return problem.is_padded or problem.stride[-1] != 1


def _parameters(
    problem: ConvProblem, layout: Layout, blocks: DirectBlocking
) -> DirectParameters[int]:
    rows, columns = problem.as_2d().axes
    stride_n, stride_c, stride_h, _ = layout.strides
    window = window_of(problem, blocks.row_block, blocks.column_block)
    needs_copy, row_length = _needs_copy(problem), window.phases * window.phase_length
    output_n, output_c, *_ = output_strides(problem, layout)
    return DirectParameters(
        channels=problem.weight_shape[1],
        filters=problem.gemm.m,
        input_height=rows.input_size,
        input_width=columns.input_size,
        output_height=rows.output_size,
        output_width=columns.output_size,
        k=problem.gemm.k,
        extent_h=rows.extent,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        output_stride_n=output_n,
        output_stride_c=output_c,
        groups=problem.groups,
        row_block=blocks.row_block,
        row_blocks=ceil(rows.output_size / blocks.row_block),
        column_block=blocks.column_block,
        column_blocks=ceil(columns.output_size / blocks.column_block),
        vectors_per_row=blocks.vectors_per_row,
        needs_copy=int(needs_copy),
        phases=window.phases,
        phase_length=window.phase_length,
        window_stride_c=window.rows * row_length if needs_copy else stride_c,
        window_stride_h=row_length if needs_copy else stride_h,
        workspace_bytes=blocks.workspace_bytes,
    )


def _largest_tile(problem: ConvProblem, target: Target) -> tuple[int, int]:
    """Return the (filters, vectors) of the tallest tile that the number of filters fills."""
    return next(tile for tile in tile_shapes(target) if tile[0] <= problem.gemm.m)


def _loops(problem: ConvProblem, blocks: DirectBlocking, target: Target) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    height, width = problem.as_2d().output_size
    filters, tile_vectors = _largest_tile(problem, target)
    vectors = blocks.row_block * blocks.vectors_per_row
    columns = (
        [f"for {describe_blocks(width, blocks.column_block, 'columns')}"]
        if blocks.column_block < width
        else []
    )
    tiles = f"for {at_a_time(vectors, 'vectors', tile_vectors)}"
    return describe_loop_nest(
        f"for {describe_batch(problem.batch, problem.groups)}",
        *columns,
        f"for {describe_blocks(height, blocks.row_block, 'rows of outputs')}: a task",
        ["copy the rows that they read, with padding", tiles] if _needs_copy(problem) else tiles,
        f"for {at_a_time(problem.gemm.m, 'filters', filters)}",
        f"for {problem.gemm.k:,} steps: the register tile, {filters} × {tile_vectors} vectors",
    )


# -- in machine code --------------------------------------------------------------------------


@cache
def _compile(dtype: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("direct", dtype, target)
    in_parallel(module, emit_task(module, epilogue))
    return compiled(module, "direct")
