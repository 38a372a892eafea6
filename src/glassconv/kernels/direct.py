"""Compiled direct convolution: the loops of the definition around a register tile.

    output[filter, row, column + lane] += weight[filter, c, u, v] ·
                                          input[c, row + u · d, column + v · d + lane]

d is the dilation; the horizontal stride is 1. The input is not copied. A register tile covers
several filters × several vectors of 4, 8 or 16 adjacent outputs. Vectors are numbered consecutively
across output rows, so a tile may span several rows. The last vector of a row is aligned to the end
of the row and may recompute some outputs. Loads that reach into the padding are masked.

The kernel is intended for few input channels or few filters. Otherwise implicit_gemm is faster,
because it reads the input once and not once per block of filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, prod

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack
from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.register_tile import accumulators, add_products
from glassconv.kernels.runtime.blocking import Blocking, tasks_wanted
from glassconv.kernels.runtime.cost_model import Loop, Phase, Stream, Work, activation_bytes
from glassconv.kernels.runtime.loop_text import (
    at_a_time,
    describe_batch,
    describe_blocks,
    describe_loop_nest,
)
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.axis import Axis
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

MIN_MACS_PER_TASK = 500_000
TILES = ((4, 2), (1, 8))  # (filters, vectors); together they cover any number of filters
MASK_OPERATIONS = 6
MAX_LANES = 16  # over all targets, because `supports` does not depend on the target


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether the layout is NCHW, the horizontal stride 1, and a row at least a vector."""
    if layout != NCHW:
        return Verdict(False, "requires the NCHW layout")
    common = supports_common(problem)
    if not common:
        return common
    if problem.stride[-1] != 1:
        return Verdict(False, f"requires stride 1 in the last dimension, got {problem.stride[-1]}")
    width = problem.output_size[-1]
    if width < MAX_LANES:
        return Verdict(False, f"requires an output width of at least {MAX_LANES}, got {width}")
    return Verdict(True, "register-tiled direct convolution without im2col")


@dataclass(frozen=True)
class DirectBlocking(Blocking):
    """The blocks of a problem."""

    vectors_per_row: int  # vectors that cover an output row
    vector_block: int  # vectors of a task


@dataclass(frozen=True)
class DirectParameters(Struct[N]):
    """The kernel's parameters."""

    channels: N  # of a group
    filters: N  # of a group
    input_height: N
    input_width: N
    kernel_height: N
    kernel_width: N
    output_width: N
    k: N
    stride_h: N
    padding_h: N
    padding_w: N
    dilation_h: N
    dilation_w: N
    input_stride_n: N
    input_stride_c: N
    input_stride_h: N
    output_stride_n: N
    output_stride_c: N
    groups: N
    vectors_per_row: N
    vectors: N
    vector_block: N
    vector_blocks: N


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
    tasks = problem.batch * problem.groups * parameters.vector_blocks
    return Plan(
        problem,
        layout,
        _compile(problem.dtype, target, epilogue),
        blocks,
        pack(parameters),
        tasks,
        workspace_bytes=0,
        max_threads=max(1, min(tasks, tasks_wanted(problem, threads, MIN_MACS_PER_TASK))),
        pack=None,
        loops=_loops(problem, blocks, parameters.vectors, target.lanes(problem.dtype)),
        hot_function="tile_{}x{}".format(*_largest_tile(problem)),
    )


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    blocks = blocking(problem, layout, target, threads)
    rows, columns = problem.as_2d().axes
    images, per_row = problem.batch * problem.groups, blocks.vectors_per_row
    vectors = rows.output_size * per_row
    inside = _share_inside(rows, rows.output_size) * _share_inside(columns, per_row)
    # The loops over the taps of a channel.
    short_loops = problem.weight_shape[1] * (1 + rows.kernel_size)
    loops: list[Loop] = []
    first = 0
    for filters, width in TILES:
        number = (problem.gemm.m - first) // filters
        first += number * filters
        tiles = images * number * vectors / width
        area, steps = filters * width, problem.gemm.k
        loops.append(
            Loop(
                inside * tiles * steps,
                multiply_adds=area,
                chain=1,
                loads=filters + width,
                entries=inside * tiles * short_loops,
            )
        )
        # The mask of a vector takes two comparisons and two conjunctions, of as many broadcasts.
        loops.append(
            Loop((1 - inside) * tiles * steps, multiply_adds=area + MASK_OPERATIONS * width,
                 loads=filters, masked_loads=width, entries=(1 - inside) * tiles * short_loops)
        )  # fmt: skip
        loops.append(Loop(tiles, multiply_adds=area, loads=area, stores=area, entries=tiles))
    footprint = activation_bytes(problem)
    read, written = (
        Stream(problem.input_bytes, footprint),
        Stream(2 * problem.output_bytes, footprint),
    )
    tasks = images * ceil(vectors / blocks.vector_block)
    return Work(
        (Phase(tuple(loops), (Stream(problem.weight_bytes), read, written)),),
        tasks,
        min(threads, max(1, min(tasks, tasks_wanted(problem, threads, MIN_MACS_PER_TASK)))),
    )


def _share_inside(axis: Axis, steps: int) -> float:
    """Return the share of steps along an axis whose windows are inside the input."""
    outside = sum(side > 0 for side in axis.padding)
    if axis.output_size == steps:  # a step is a row
        inside = axis.output_size - sum(ceil(side / axis.stride) for side in axis.padding)
        return max(0, inside) / steps
    return max(0, steps - 2 * outside) / steps  # a tile has a pair of vectors


def blocking(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> DirectBlocking:
    """Return the blocks of a problem."""
    rows, columns = problem.as_2d().axes
    per_row = ceil(columns.output_size / target.lanes(problem.dtype))
    target_tasks = tasks_wanted(problem, threads, MIN_MACS_PER_TASK)
    per_image = ceil(target_tasks / max(problem.batch * problem.groups, 1))
    return DirectBlocking(per_row, ceil(rows.output_size * per_row / per_image))


def _parameters(
    problem: ConvProblem, layout: Layout, blocks: DirectBlocking
) -> DirectParameters[int]:
    rows, columns = problem.as_2d().axes
    stride_n, stride_c, stride_h, _ = layout.strides
    vectors = rows.output_size * blocks.vectors_per_row
    pixels = prod(problem.output_size)
    return DirectParameters(
        channels=problem.weight_shape[1],
        filters=problem.gemm.m,
        input_height=rows.input_size,
        input_width=columns.input_size,
        kernel_height=rows.kernel_size,
        kernel_width=columns.kernel_size,
        output_width=columns.output_size,
        k=problem.gemm.k,
        stride_h=rows.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        dilation_w=columns.dilation,
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        output_stride_n=problem.out_channels * pixels,
        output_stride_c=pixels,
        groups=problem.groups,
        vectors_per_row=blocks.vectors_per_row,
        vectors=vectors,
        vector_block=blocks.vector_block,
        vector_blocks=ceil(vectors / blocks.vector_block),
    )


def _largest_tile(problem: ConvProblem) -> tuple[int, int]:
    """Return the (filters, vectors) of the tallest tile that the number of filters fills."""
    return next(tile for tile in TILES if tile[0] <= problem.gemm.m)


def _loops(
    problem: ConvProblem, blocks: DirectBlocking, vectors: int, lanes: int
) -> tuple[str, ...]:
    """Return a description of the loop nest, one line per loop."""
    rows, tile_vectors = _largest_tile(problem)
    kernel_height, kernel_width = problem.as_2d().kernel_size
    block = min(vectors, blocks.vector_block)
    masked = f"{tile_vectors // 2} with masks, near padding"
    task = describe_blocks(vectors, blocks.vector_block, f"vectors of {lanes} outputs")
    return describe_loop_nest(
        f"for {describe_batch(problem.batch, problem.groups)}",
        f"for {task}: a task",
        f"for {at_a_time(block, 'vectors', tile_vectors)}; {masked}",
        f"for {at_a_time(problem.gemm.m, 'filters', rows)}",
        f"for {problem.weight_shape[1]:,} channels × {kernel_height} × {kernel_width} taps",
        f"the register tile, {rows} × {tile_vectors} vectors",
    )


# -- in machine code --------------------------------------------------------------------------


@cache
def _compile(dtype: str, target: Target, epilogue: Epilogue) -> Compiled:
    return compiled(build_module(dtype, target, epilogue), "direct")


def build_module(dtype: str, target: Target, epilogue: Epilogue = NOTHING) -> Module:
    """Return the kernel's LLVM module for an element type, not yet compiled."""
    module = Module("direct", dtype, target)
    in_parallel(module, _emit_task(module, epilogue))
    return module


def _emit_task(module: Module, epilogue: Epilogue) -> Function:
    """Emit the task function: all filters of one group, for a block of output vectors."""
    tile_functions = {
        (rows, masked): _emit_tile(
            module, rows, vectors // 2 if masked else vectors, epilogue, masked=masked
        )
        for rows, vectors in TILES
        for masked in (False, True)  # masks need registers, so the tile is half as wide
    }

    @function(module)
    def task(
        code: Code,
        parameters: DirectParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        first = number % p.vector_blocks * p.vector_block
        number = number // p.vector_blocks
        group, batch = number % p.groups, number // p.groups
        stop = (first + p.vector_block).minimum(p.vectors)
        group_offset = group * p.channels * p.input_stride_c
        first_filter = group * p.filters
        common: dict[str, Argument] = {
            "parameters": p,
            "image": arrays.input + (batch * p.input_stride_n + group_offset),
            "weight": arrays.weight + first_filter * p.k,
            "bias": arrays.bias + first_filter,
            "output": arrays.output
            + (batch * p.output_stride_n + first_filter * p.output_stride_c),
            "residual_offset": residual_offset(arrays),
        }
        filter = code.value(0)
        for rows, vectors in TILES:
            end = p.filters - (p.filters - filter) % rows
            common |= {"first": filter, "end": end}
            with code.if_(end > filter), code.loop(first, stop, vectors) as vector:
                ends = [_vector_position(p, code, vector + j) for j in (0, vectors - 1)]
                with code.if_(_tile_is_inside(p, code, *ends)):
                    tile_functions[rows, False].call(**common, vector=vector)
                with code.else_():
                    for half in (vector, vector + vectors // 2):
                        tile_functions[rows, True].call(**common, vector=half)
            filter = end

    return task


def _vector_position(p: DirectParameters[Value], code: Code, vector: Value) -> tuple[Value, Value]:
    """Return the output row and column of a vector; indices past the end mean the last vector."""
    vector = vector.minimum(p.vectors - 1)
    column = (vector % p.vectors_per_row) * code.lanes
    return vector // p.vectors_per_row, column.minimum(p.output_width - code.lanes)


def _tile_is_inside(
    p: DirectParameters[Value], code: Code, first: tuple[Value, Value], last: tuple[Value, Value]
) -> Value:
    """Return whether all windows of a tile are inside the input."""
    top = first[0] * p.stride_h - p.padding_h
    bottom = last[0] * p.stride_h - p.padding_h + (p.kernel_height - 1) * p.dilation_h
    is_same_row = first[0].equals(last[0])
    left = code.select(is_same_row, first[1], 0) - p.padding_w
    end = code.select(is_same_row, last[1] + code.lanes, p.output_width)
    right = end - p.padding_w + (p.kernel_width - 1) * p.dilation_w
    return (top >= 0) & (bottom < p.input_height) & (left >= 0) & (right <= p.input_width)


def _emit_tile(
    module: Module, rows: int, vectors: int, epilogue: Epilogue, *, masked: bool
) -> Function:
    """Emit the function that computes one tile for the filters first, first + rows, … < end."""

    @function(module, f"{'masked_tile' if masked else 'tile'}_{rows}x{vectors}")
    def tile(
        code: Code,
        parameters: DirectParameters[Value],
        image: Pointer,
        weight: Pointer,
        bias: Pointer,
        output: Pointer,
        residual_offset: Value,
        vector: Value,
        first: Value,
        end: Value,
    ) -> None:
        p = parameters
        positions = [_vector_position(p, code, vector + j) for j in range(vectors)]
        input_rows = [row * p.stride_h - p.padding_h for row, _ in positions]
        input_columns = [column - p.padding_w for _, column in positions]
        input_ptrs = [
            image + (top * p.input_stride_h + left)
            for top, left in zip(input_rows, input_columns, strict=True)
        ]
        output_ptrs = [output + (row * p.output_width + column) for row, column in positions]
        with code.loop(first, end, rows) as filter:
            weights = [weight + (filter + i) * p.k for i in range(rows)]
            tile_sums = accumulators(
                code, rows, vectors, lambda i, _: code.broadcast(bias[filter + i])
            )
            step = code.variable(0)
            with (
                code.loop(0, p.channels) as channel,
                code.loop(0, p.kernel_height) as u,
                code.loop(0, p.kernel_width) as v,
            ):
                row_offset, column_offset = u * p.dilation_h, v * p.dilation_w
                offset = channel * p.input_stride_c + row_offset * p.input_stride_h + column_offset
                inputs = []
                for input_ptr, top, left in zip(input_ptrs, input_rows, input_columns, strict=True):
                    if masked:
                        low = code.lanes_from(0 - (left + column_offset))
                        high = code.first_lanes(p.input_width - (left + column_offset))
                        row = top + row_offset
                        inside = code.broadcast((row >= 0) & (row < p.input_height))
                        inputs.append(input_ptr.masked(low & high & inside, offset))
                    else:
                        inputs.append(input_ptr.vector(offset))
                weight_values = [weight_row[step.get()] for weight_row in weights]
                add_products(code, tile_sums, weight_values, inputs)
                step.set(step.get() + 1)
            for i, accumulator_row in enumerate(tile_sums):
                for output_ptr, total in zip(output_ptrs, accumulator_row, strict=True):
                    address = output_ptr + (filter + i) * p.output_stride_c
                    address[0] = apply_epilogue(
                        code, epilogue, total.get(), address, residual_offset
                    )

    return tile
