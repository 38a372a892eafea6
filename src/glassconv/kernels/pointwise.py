"""pointwise, compiled, for pictures of one pixel: a matrix times a vector.

    output[filter] = bias[filter] + Σ_channel weight[filter, channel] · input[channel]

With no pixels to lay across a vector, channels are: each of some filters sums its products in a
vector of its own, and those vectors are then summed into one of outputs. It is what the squeeze of
a squeeze-and-excitation block is, and a classifier's last layer; larger pictures are better
multiplied in tiles (implicit_gemm). Weights are read as they lie.
"""

from __future__ import annotations

from functools import cache
from math import ceil

import torch

from glassconv.codegen.ir import INT, POINTER, Code, Module, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, threads
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.epilogue import finished
from glassconv.kernels.runtime.loop_text import at_a_time, blocks, nest, pictures
from glassconv.kernels.runtime.parameters import Sizes, addresses, packed, to_residual
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import Layout
from glassconv.reports.verdict import Verdict

NAMES = (
    *("channels", "filters", "groups", "input_n", "input_c", "out_channels"),
    *("filter_block", "filter_blocks", "workspace"),
)
SMALLEST_TASK = 500_000  # multiply-adds
MOST_ROWS = 8  # sums at a time: enough to hide the latency of a multiply-add


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Say whether there is one pixel and no padding, in float32 or float64."""
    if {*problem.kernel_size, *problem.input_size, *problem.output_size} != {1}:
        return Verdict(False, "the kernel is for pictures of one pixel")
    if any(map(any, problem.padding)):
        return Verdict(False, "the kernel reads no padding")
    if problem.ndim == 3:
        return Verdict(False, "the kernel has one or two spatial axes, this has 3")
    if problem.dtype not in ELEMENT_BYTES:
        return Verdict(False, f"the kernel computes in float32 or float64, not {problem.dtype}")
    return Verdict(True, "multiplies a matrix and a vector, channels across")


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the time it takes to read the weights, at the rate seen on two AVX2 cores."""
    return problem.batch * problem.weight_bytes / 32e9


def plan(
    problem: ConvProblem, layout: Layout, target: Target, epilogue: Epilogue = NOTHING
) -> Plan:
    """Cut the filters of a problem that `supports` accepts into tasks."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    channels, filters = problem.weight_shape[1], problem.gemm.m
    team = max(1, min(threads(), problem.macs // SMALLEST_TASK))
    block = ceil(ceil(filters / team) / lanes) * lanes
    size = {
        "channels": channels,
        "filters": filters,
        "groups": problem.groups,
        "input_n": layout.strides[0],
        "input_c": layout.strides[1],
        "out_channels": problem.out_channels,
        "filter_block": block,
        "filter_blocks": ceil(filters / block),
        "workspace": -(-(channels + lanes) * element // 64) * 64,
    }
    tasks = problem.batch * problem.groups * size["filter_blocks"]
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, target, epilogue),
        packed(NAMES, size),
        tasks,
        size["workspace"],
        max(1, min(tasks, team)),
        pack=None,
        no_bias=torch.zeros(problem.out_channels, dtype=getattr(torch, problem.dtype)),
        loops=nest(
            pictures(problem.batch, problem.groups),
            f"for {blocks(filters, block, 'filters')}",
            f"for {at_a_time(filters, 'filters', min(lanes, MOST_ROWS))}",
            f"for {at_a_time(channels, 'channels', lanes)}: a vector for each filter",
        ),
    )


@cache
def _kernel(dtype: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("pointwise", dtype, target)
    in_parallel(module, _task(module, epilogue), "pointwise")
    return compiled(module, "pointwise")


def _task(module: Module, epilogue: Epilogue) -> Code:
    """Write the task: a block of filters of one picture and group."""
    code = Code(module, "task", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, thread = code.arguments()
    size = Sizes(code, plan, NAMES)
    input, weight, bias, output, workspace = addresses(code, arrays)
    lanes = code.lanes
    start, number = number % size.filter_blocks * size.filter_block, number // size.filter_blocks
    group, batch = number % size.groups, number // size.groups
    stop = (start + size.filter_block).minimum(size.filters)
    first = group * size.filters

    column = workspace.bytes(thread * size.workspace)
    picture = input + (batch * size.input_n + group * size.channels * size.input_c)
    with code.loop(0, size.channels) as channel:
        column[channel] = picture[channel * size.input_c]
    whole = size.channels - size.channels % lanes
    rest = code.first_lanes(size.channels - whole)
    step = min(lanes, MOST_ROWS)
    with code.loop(start, stop, step) as filter:
        # Past the last filter it is computed again, and not stored.
        rows = [
            weight + (first + (filter + i).minimum(size.filters - 1)) * size.channels
            for i in range(step)
        ]
        totals = [code.variable(code.zeros()) for _ in rows]
        with code.loop(0, whole, lanes) as channel:
            values = column.vector(channel)
            for row, total in zip(rows, totals, strict=True):
                total.set(code.fma(row.vector(channel), values, total.get()))
        with code.when(size.channels > whole):
            values = column.masked(rest, whole)
            for row, total in zip(rows, totals, strict=True):
                total.set(code.fma(row.masked(rest, whole), values, total.get()))
        sums = _sums(code, [total.get() for total in totals])
        exists = code.first_lanes((stop - filter).minimum(step))
        place = output + (batch * size.out_channels + first + filter)
        sums = sums + bias.masked(exists, first + filter)
        distance = to_residual(code, arrays)
        place.store_masked(exists, finished(code, epilogue, sums, place, distance, exists))
    code.finish()
    return code


def _sums(code: Code, vectors: list[Value]) -> Value:
    """Return the vector whose lane i is the sum of vector i's lanes; a power of two of them.

    Pairs of vectors are added to themselves half swapped, and share a vector from then on.
    """
    distance = 1
    while len(vectors) > 1:
        kept = [lane + code.lanes * bool(lane & distance) for lane in range(code.lanes)]
        swapped = [
            (lane ^ distance) + code.lanes * bool(lane & distance) for lane in range(code.lanes)
        ]
        vectors = [
            code.shuffle(one, other, kept) + code.shuffle(one, other, swapped)
            for one, other in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        distance *= 2
    total = vectors[0]
    while distance < code.lanes:
        swapped = [lane ^ distance for lane in range(code.lanes)]
        total = total + code.shuffle(total, total, swapped)
        distance *= 2
    return total
