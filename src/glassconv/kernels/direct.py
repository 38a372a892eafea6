"""direct, compiled: the definition's own loops around a register tile, and no copy of anything.

    output[filter, row, column + lane] += weight[filter, c, u, v] ·
                                          input[c, row + u · d, column + v · d + lane]

A register tile is some filters times some vectors of eight (or four, or sixteen) neighbouring
outputs. The vectors of all output rows are numbered consecutively, so a tile may span rows; the
last vector of a row ends where the row ends and so computes some outputs twice. Where a vector's
windows reach into padding, its loads are masked. The kernel is for problems with few channels or
few filters: more are better lowered once (implicit_gemm) than read again for each block of filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, prod

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.register_tile import accumulators, add_products
from glassconv.kernels.runtime.blocking import Blocking, tasks_wanted
from glassconv.kernels.runtime.loop_text import at_a_time, blocks, describe_loop_nest, images
from glassconv.kernels.runtime.parameters import Arrays, residual_distance
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

SMALLEST_TASK = 500_000  # multiply-adds
TILES = ((4, 2), (1, 8))  # (filters, vectors): any number of filters is some of the two
MOST_LANES = 16  # of any processor's vector


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Accept stride 1 along rows of outputs that are at least a vector wide, in NCHW."""
    if layout != NCHW:
        return Verdict(False, "the kernel reads rows of pixels, and here channels are contiguous")
    common = supports_common(problem)
    if not common:
        return common
    if problem.stride[-1] != 1:
        return Verdict(False, f"the kernel needs stride 1 along rows, got {problem.stride[-1]}")
    if problem.output_size[-1] < MOST_LANES:
        return Verdict(False, f"rows of {problem.output_size[-1]} outputs do not fill a vector")
    return Verdict(True, "loops around a register tile, no copy of anything")


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the predicted time: by rates measured on two AVX2 cores, in float32."""
    width = ELEMENT_BYTES[problem.dtype] / ELEMENT_BYTES["float32"]
    return width * (problem.macs / 20e9 + problem.macs / max(problem.gemm.m, 1) / 5e9)


@dataclass(frozen=True)
class DirectBlocking(Blocking):
    """The blocks of a problem."""

    vectors_per_row: int  # vectors that cover a row of outputs
    vector_block: int  # vectors of a task


@dataclass(frozen=True)
class DirectParameters(Struct[N]):
    """What the kernel reads."""

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
    """Plan a problem that `supports` accepts, for inputs in this memory layout."""
    cut = blocking(problem, layout, target, threads)
    parameters = _parameters(problem, layout, cut)
    tasks = problem.batch * problem.groups * parameters.vector_blocks
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, target, epilogue),
        cut,
        pack(parameters),
        tasks,
        workspace_bytes=0,
        most_threads=max(1, min(tasks, tasks_wanted(problem, threads, SMALLEST_TASK))),
        pack=None,
        loops=_loops(problem, cut, parameters.vectors, target.lanes(problem.dtype)),
        hot="inner_{}x{}".format(*_largest_tile(problem)),
    )


def blocking(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> DirectBlocking:
    """Return the blocks of a problem."""
    rows, columns = problem.as_2d().axes
    per_row = ceil(columns.output_size / target.lanes(problem.dtype))
    wanted = tasks_wanted(problem, threads, SMALLEST_TASK)
    per_image = ceil(wanted / max(problem.batch * problem.groups, 1))
    return DirectBlocking(per_row, ceil(rows.output_size * per_row / per_image))


def _parameters(problem: ConvProblem, layout: Layout, cut: DirectBlocking) -> DirectParameters[int]:
    rows, columns = problem.as_2d().axes
    stride_n, stride_c, stride_h, _ = layout.strides
    vectors = rows.output_size * cut.vectors_per_row
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
        vectors_per_row=cut.vectors_per_row,
        vectors=vectors,
        vector_block=cut.vector_block,
        vector_blocks=ceil(vectors / cut.vector_block),
    )


def _largest_tile(problem: ConvProblem) -> tuple[int, int]:
    """Return the (filters, vectors) of the tile that computes most filters."""
    return next(tile for tile in TILES if tile[0] <= problem.gemm.m)


def _loops(problem: ConvProblem, cut: DirectBlocking, vectors: int, lanes: int) -> tuple[str, ...]:
    """Return what the kernel does with these blocks, a line for each loop."""
    rows, tile_vectors = _largest_tile(problem)
    kernel_height, kernel_width = problem.as_2d().kernel_size
    block = min(vectors, cut.vector_block)
    return describe_loop_nest(
        f"for {images(problem.batch, problem.groups)}",
        f"for {blocks(vectors, cut.vector_block, f'vectors of {lanes} outputs')}: a task",
        f"for {at_a_time(block, 'vectors', tile_vectors)}; half as many at padding, masked",
        f"for {at_a_time(problem.gemm.m, 'filters', rows)}",
        f"for {problem.weight_shape[1]:,} channels, {kernel_height} rows, {kernel_width} columns "
        "of taps",
        f"the register tile, {rows} × {tile_vectors} vectors",
    )


# -- in machine code --------------------------------------------------------------------------


@cache
def _kernel(dtype: str, target: Target, epilogue: Epilogue) -> Compiled:
    return compiled(module(dtype, target, epilogue), "direct")


def module(dtype: str, target: Target, epilogue: Epilogue = NOTHING) -> Module:
    """Return the kernel's module for elements of a type, not yet compiled."""
    written = Module("direct", dtype, target)
    in_parallel(written, _task(written, epilogue))
    return written


def _task(module: Module, epilogue: Epilogue) -> Function:
    """Write the task: all filters of a group at a block of vectors."""
    tiles = {
        (rows, masked): _tile(
            module, rows, vectors // 2 if masked else vectors, epilogue, masked=masked
        )
        for rows, vectors in TILES
        for masked in (False, True)  # masks take registers: half as many accumulators beside them
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
            "residual_distance": residual_distance(arrays),
        }
        filter = code.value(0)
        for rows, vectors in TILES:
            end = p.filters - (p.filters - filter) % rows
            common |= {"first": filter, "end": end}
            with code.if_(end > filter), code.loop(first, stop, vectors) as vector:
                corners = [_start(p, code, vector + j) for j in (0, vectors - 1)]
                with code.if_(_is_inside(p, code, *corners)):
                    tiles[rows, False].call(**common, vector=vector)
                with code.else_():
                    for part in (vector, vector + vectors // 2):
                        tiles[rows, True].call(**common, vector=part)
            filter = end

    return task


def _start(p: DirectParameters[Value], code: Code, vector: Value) -> tuple[Value, Value]:
    """Return the output row and column where a vector begins; past the end, the last vector's."""
    vector = vector.minimum(p.vectors - 1)
    column = (vector % p.vectors_per_row) * code.lanes
    return vector // p.vectors_per_row, column.minimum(p.output_width - code.lanes)


def _is_inside(
    p: DirectParameters[Value], code: Code, first: tuple[Value, Value], last: tuple[Value, Value]
) -> Value:
    """Return whether no window of a tile reaches into padding."""
    top = first[0] * p.stride_h - p.padding_h
    bottom = last[0] * p.stride_h - p.padding_h + (p.kernel_height - 1) * p.dilation_h
    one_row = first[0].equals(last[0])
    left = code.select(one_row, first[1], 0) - p.padding_w
    end = code.select(one_row, last[1] + code.lanes, p.output_width)
    right = end - p.padding_w + (p.kernel_width - 1) * p.dilation_w
    return (top >= 0) & (bottom < p.input_height) & (left >= 0) & (right <= p.input_width)


def _tile(module: Module, rows: int, vectors: int, epilogue: Epilogue, *, masked: bool) -> Function:
    """Write the function of one tile's vectors, for filters first, first + rows, … below end."""

    @function(module, f"{'edge' if masked else 'inner'}_{rows}x{vectors}")
    def tile(
        code: Code,
        parameters: DirectParameters[Value],
        image: Pointer,
        weight: Pointer,
        bias: Pointer,
        output: Pointer,
        residual_distance: Value,
        vector: Value,
        first: Value,
        end: Value,
    ) -> None:
        p = parameters
        starts = [_start(p, code, vector + j) for j in range(vectors)]
        tops = [row * p.stride_h - p.padding_h for row, _ in starts]
        lefts = [column - p.padding_w for _, column in starts]
        windows = [
            image + (top * p.input_stride_h + left) for top, left in zip(tops, lefts, strict=True)
        ]
        results = [output + (row * p.output_width + column) for row, column in starts]
        with code.loop(first, end, rows) as filter:
            weights = [weight + (filter + i) * p.k for i in range(rows)]
            sums = accumulators(code, rows, vectors, lambda i, _: code.broadcast(bias[filter + i]))
            step = code.variable(0)
            with (
                code.loop(0, p.channels) as channel,
                code.loop(0, p.kernel_height) as u,
                code.loop(0, p.kernel_width) as v,
            ):
                down, along = u * p.dilation_h, v * p.dilation_w
                offset = channel * p.input_stride_c + down * p.input_stride_h + along
                loaded = []
                for window, top, left in zip(windows, tops, lefts, strict=True):
                    if masked:
                        low = code.lanes_from(0 - (left + along))
                        high = code.first_lanes(p.input_width - (left + along))
                        row = top + down
                        inside = code.broadcast((row >= 0) & (row < p.input_height))
                        loaded.append(window.masked(low & high & inside, offset))
                    else:
                        loaded.append(window.vector(offset))
                elements = [line[step.get()] for line in weights]
                add_products(code, sums, elements, loaded)
                step.set(step.get() + 1)
            for i, row_of_sums in enumerate(sums):
                for result, total in zip(results, row_of_sums, strict=True):
                    place = result + (filter + i) * p.output_stride_c
                    place[0] = apply_epilogue(code, epilogue, total.get(), place, residual_distance)

    return tile
