"""direct, compiled: the definition's own loops around a register tile, and no copy of anything.

    output[filter, row, column + lane] += weight[filter, c, u, v] ·
                                          input[c, row + u · d, column + v · d + lane]

A register tile is some filters times some vectors of eight (or four, or sixteen) neighbouring
outputs. The vectors of all output rows are numbered through, so a tile may span rows; the last
vector of a row ends where the row ends and so computes some outputs twice. Where a vector's windows
reach into padding, its loads are masked. It is for pictures with few channels or few filters: more
are better lowered once (implicit_gemm) than read again for each block of filters.
"""

from __future__ import annotations

from functools import cache
from math import ceil, prod

import torch

from glassconv.codegen.ir import INT, POINTER, Code, Module, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, threads
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.epilogue import finished
from glassconv.kernels.microkernel.register_tile import add_products, tile
from glassconv.kernels.runtime.loop_text import at_a_time, blocks, nest, pictures
from glassconv.kernels.runtime.parameters import Sizes, addresses, packed, to_residual
from glassconv.kernels.runtime.plan import Plan, as_plane
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.verdict import Verdict

NAMES = (
    *("channels", "filters", "in_h", "in_w", "kernel_h", "kernel_w", "out_w", "k"),
    *("stride_h", "padding_h", "padding_w", "dilation_h", "dilation_w"),
    *("input_n", "input_c", "input_h", "output_n", "output_c"),
    *("groups", "in_row", "vectors", "vector_block", "vector_blocks"),
)
TASKS = 4  # for each thread
SMALLEST_TASK = 500_000  # multiply-adds
TILES = ((4, 2), (1, 8))  # (filters, vectors): any number of filters is some of the two
MOST_LANES = 16  # of any processor's vector


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Say whether it steps by one column along rows at least a vector wide."""
    if layout != NCHW:
        return Verdict(False, "the kernel reads rows of pixels, and here channels lie together")
    if problem.ndim == 3:
        return Verdict(False, "the kernel has one or two spatial axes, this has 3")
    if problem.dtype not in ELEMENT_BYTES:
        return Verdict(False, f"the kernel computes in float32 or float64, not {problem.dtype}")
    if problem.stride[-1] != 1:
        return Verdict(False, f"the kernel needs stride 1 along rows, got {problem.stride[-1]}")
    if problem.output_size[-1] < MOST_LANES:
        return Verdict(False, f"rows of {problem.output_size[-1]} outputs do not fill a vector")
    return Verdict(True, "loops around a register tile, no copy of anything")


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the time it takes by the rates that were seen on two AVX2 cores, in float32."""
    width = ELEMENT_BYTES[problem.dtype] / ELEMENT_BYTES["float32"]
    return width * (problem.macs / 20e9 + problem.macs / max(problem.gemm.m, 1) / 5e9)


def plan(
    problem: ConvProblem, layout: Layout, target: Target, epilogue: Epilogue = NOTHING
) -> Plan:
    """Cut the outputs of a problem that `supports` accepts into tasks."""
    rows, columns = as_plane(problem).axes
    in_row = ceil(columns.output_size / target.lanes(problem.dtype))
    vectors = rows.output_size * in_row
    pictures = problem.batch * problem.groups
    wanted = max(1, min(TASKS * threads(), problem.macs // SMALLEST_TASK))
    block = ceil(vectors / ceil(wanted / max(pictures, 1)))
    of_batch, of_channel, of_row, _ = layout.strides
    size = {
        "channels": problem.weight_shape[1],
        "filters": problem.gemm.m,
        "in_h": rows.input_size,
        "in_w": columns.input_size,
        "kernel_h": rows.kernel_size,
        "kernel_w": columns.kernel_size,
        "out_w": columns.output_size,
        "k": problem.gemm.k,
        "stride_h": rows.stride,
        "padding_h": rows.padding[0],
        "padding_w": columns.padding[0],
        "dilation_h": rows.dilation,
        "dilation_w": columns.dilation,
        "input_n": of_batch,
        "input_c": of_channel,
        "input_h": of_row,
        "output_n": prod(problem.output_shape[1:]),
        "output_c": prod(problem.output_size),
        "groups": problem.groups,
        "in_row": in_row,
        "vectors": vectors,
        "vector_block": block,
        "vector_blocks": ceil(vectors / block),
    }
    tasks = pictures * size["vector_blocks"]
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, target, epilogue),
        packed(NAMES, size),
        tasks,
        workspace_bytes=0,
        most_threads=max(1, min(tasks, wanted)),
        pack=None,
        no_bias=torch.zeros(problem.out_channels, dtype=getattr(torch, problem.dtype)),
        loops=_loops(problem, size, target.lanes(problem.dtype)),
        hot="inner_{}x{}".format(*_largest(size)),
    )


def _largest(size: dict[str, int]) -> tuple[int, int]:
    """Return the tile that computes most filters."""
    return next(each for each in TILES if each[0] <= size["filters"])


def _loops(problem: ConvProblem, size: dict[str, int], lanes: int) -> tuple[str, ...]:
    """Return what the kernel does with these sizes, a line for each loop."""
    rows, vectors = _largest(size)
    block = min(size["vectors"], size["vector_block"])
    return nest(
        f"for {pictures(problem.batch, problem.groups)}",
        f"for {blocks(size['vectors'], size['vector_block'], f'vectors of {lanes} outputs')}: "
        "a task",
        f"for {at_a_time(block, 'vectors', vectors)}; half as many at padding, masked",
        f"for {at_a_time(size['filters'], 'filters', rows)}",
        f"for {size['channels']:,} channels, {size['kernel_h']} rows, {size['kernel_w']} columns "
        "of taps",
        f"the register tile, {rows} × {vectors} vectors",
    )


@cache
def _kernel(dtype: str, target: Target, epilogue: Epilogue) -> Compiled:
    return compiled(module(dtype, target, epilogue), "direct")


def module(dtype: str, target: Target, epilogue: Epilogue = NOTHING) -> Module:
    """Write the kernel for elements of a type."""
    written = Module("direct", dtype, target)
    in_parallel(written, _task(written, epilogue), "direct")
    return written


def _task(module: Module, epilogue: Epilogue) -> Code:
    """Write the task: all filters of a group at a block of vectors."""
    blocks = {
        (rows, masked): _tile(
            module, rows, vectors // 2 if masked else vectors, epilogue, masked=masked
        )
        for rows, vectors in TILES
        for masked in (False, True)  # masks take registers: half as many sums beside them
    }
    code = Code(module, "task", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, _ = code.arguments()
    size = Sizes(code, plan, NAMES)
    input, weight, bias, output, _ = addresses(code, arrays)
    distance = to_residual(code, arrays)
    first, number = number % size.vector_blocks * size.vector_block, number // size.vector_blocks
    group, batch = number % size.groups, number // size.groups
    stop = (first + size.vector_block).minimum(size.vectors)
    picture = input + (batch * size.input_n + group * size.channels * size.input_c)
    filter = code.value(0)
    for rows, vectors in TILES:
        end = size.filters - (size.filters - filter) % rows
        of_group = group * size.filters
        result = output + (batch * size.output_n + of_group * size.output_c)
        given = [picture, weight + of_group * size.k, bias + of_group, result, distance]
        with code.when(end > filter), code.loop(first, stop, vectors) as vector:
            spots = [_spot(size, vector + j) for j in (0, vectors - 1)]
            inside = _inside(size, code, *spots)
            with code.either(inside) as (plainly, carefully):
                with plainly:
                    code.call_function(blocks[rows, False], plan, *given, vector, filter, end)
                with carefully:
                    for part in (vector, vector + vectors // 2):
                        code.call_function(blocks[rows, True], plan, *given, part, filter, end)
        filter = end
    code.finish()
    return code


def _spot(size: Sizes, vector: Value) -> tuple[Value, Value]:
    """Return the output row and column at which a vector starts; past the end, the last one's."""
    vector = vector.minimum(size.vectors - 1)
    column = (vector % size.in_row) * size.lanes
    return vector // size.in_row, column.minimum(size.out_w - size.lanes)


def _inside(
    size: Sizes, code: Code, first: tuple[Value, Value], last: tuple[Value, Value]
) -> Value:
    """Return whether no window of a tile reaches into padding."""
    top = first[0] * size.stride_h - size.padding_h
    bottom = last[0] * size.stride_h - size.padding_h + (size.kernel_h - 1) * size.dilation_h
    one_row = first[0].equals(last[0])
    left = code.select(one_row, first[1], 0) - size.padding_w
    end = code.select(one_row, last[1] + code.lanes, size.out_w)
    right = end - size.padding_w + (size.kernel_w - 1) * size.dilation_w
    return (top >= 0) & (bottom < size.in_h) & (left >= 0) & (right <= size.in_w)


def _tile(module: Module, rows: int, vectors: int, epilogue: Epilogue, *, masked: bool) -> Code:
    """Write the function of one tile's vectors, for filters first, first + rows, … below end."""
    name = f"{'edge' if masked else 'inner'}_{rows}x{vectors}"
    code = Code(module, name, [POINTER] * 5 + [INT] * 4)
    plan, input, weight, bias, output, distance, vector, first, end = code.arguments()
    size = Sizes(code, plan, NAMES)
    spots = [_spot(size, vector + j) for j in range(vectors)]
    tops = [row * size.stride_h - size.padding_h for row, _ in spots]
    lefts = [column - size.padding_w for _, column in spots]
    corners = [input + (top * size.input_h + left) for top, left in zip(tops, lefts, strict=True)]
    results = [output + (row * size.out_w + column) for row, column in spots]
    with code.loop(first, end, rows) as filter:
        totals = tile(code, rows, vectors, lambda i, j: code.spread(bias[filter + i]))
        weights = [weight + (filter + i) * size.k for i in range(rows)]
        step = code.variable(0)
        with (
            code.loop(0, size.channels) as channel,
            code.loop(0, size.kernel_h) as u,
            code.loop(0, size.kernel_w) as v,
        ):
            down, along = u * size.dilation_h, v * size.dilation_w
            offset = channel * size.input_c + down * size.input_h + along
            loaded = []
            for corner, top, left in zip(corners, tops, lefts, strict=True):
                if masked:
                    low = code.lanes_from(0 - (left + along))
                    high = code.first_lanes(size.in_w - (left + along))
                    row = top + down
                    inside = code.spread((row >= 0) & (row < size.in_h))
                    loaded.append(corner.masked(low & high & inside, offset))
                else:
                    loaded.append(corner.vector(offset))
            elements = [each[step.get()] for each in weights]
            add_products(code, totals, elements, loaded)
            step.set(step.get() + 1)
        for i, row_of_sums in enumerate(totals):
            for result, total in zip(results, row_of_sums, strict=True):
                place = result + (filter + i) * size.output_c
                place[0] = finished(code, epilogue, total.get(), place, distance)
    code.finish()
    return code
