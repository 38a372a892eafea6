"""pointwise, compiled, for images of one pixel: a matrix times a vector.

    output[filter] = bias[filter] + Σ_channel weight[filter, channel] · input[channel]

With no pixels to lay across a vector, channels are: each of some filters sums its products in a
vector of its own, and those vectors are then summed into one of outputs. It is what the squeeze of
a squeeze-and-excitation block is, and a classifier's last layer; larger images are better
multiplied in tiles (implicit_gemm). Weights are read as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import Blocking, round_up
from glassconv.kernels.runtime.loop_text import at_a_time, blocks, describe_loop_nest, images
from glassconv.kernels.runtime.parameters import Arrays, residual_distance
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.runtime.support import supports_common
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import Layout
from glassconv.reports.verdict import Verdict

SMALLEST_TASK = 500_000  # multiply-adds
MOST_ROWS = 8  # sums at a time: enough to hide the latency of a multiply-add


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Accept images of one pixel without padding, in float32 or float64."""
    if {*problem.kernel_size, *problem.input_size, *problem.output_size} != {1}:
        return Verdict(False, "the kernel is for images of one pixel")
    if problem.is_padded:
        return Verdict(False, "the kernel reads no padding")
    common = supports_common(problem)
    if not common:
        return common
    return Verdict(True, "multiplies a matrix and a vector, channels across")


def seconds(problem: ConvProblem, layout: str) -> float:
    """Return the predicted time: to read the weights, at the rate measured on two AVX2 cores."""
    return problem.batch * problem.weight_bytes / 32e9


@dataclass(frozen=True)
class PointwiseBlocking(Blocking):
    """The blocks of a problem."""

    filter_block: int  # filters of a task
    filters_at_once: int
    workspace_bytes: int  # of each thread: an image's channels, contiguous


@dataclass(frozen=True)
class PointwiseParameters(Struct[N]):
    """What the kernel reads."""

    channels: N  # of a group
    filters: N  # of a group
    groups: N
    input_stride_n: N
    input_stride_c: N
    output_stride_n: N
    filter_block: N
    filter_blocks: N
    workspace_bytes: N


def plan(
    problem: ConvProblem,
    layout: Layout,
    target: Target,
    threads: int,
    epilogue: Epilogue = NOTHING,
) -> Plan:
    """Plan a problem that `supports` accepts, for inputs in this memory layout."""
    cut = blocking(problem, layout, target, threads)
    channels, filters = problem.weight_shape[1], problem.gemm.m
    parameters = PointwiseParameters(
        channels=channels,
        filters=filters,
        groups=problem.groups,
        input_stride_n=layout.strides[0],
        input_stride_c=layout.strides[1],
        output_stride_n=problem.out_channels,
        filter_block=cut.filter_block,
        filter_blocks=ceil(filters / cut.filter_block),
        workspace_bytes=cut.workspace_bytes,
    )
    tasks = problem.batch * problem.groups * parameters.filter_blocks
    return Plan(
        problem,
        layout,
        _kernel(problem.dtype, target, epilogue),
        cut,
        pack(parameters),
        tasks,
        cut.workspace_bytes,
        most_threads=max(1, min(tasks, _team(problem, threads))),
        pack=None,
        loops=describe_loop_nest(
            f"for {images(problem.batch, problem.groups)}",
            f"for {blocks(filters, cut.filter_block, 'filters')}: a task",
            f"for {at_a_time(filters, 'filters', cut.filters_at_once)}",
            f"for {at_a_time(channels, 'channels', target.lanes(problem.dtype))}: a vector for "
            "each filter",
        ),
    )


def blocking(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> PointwiseBlocking:
    """Return the blocks of a problem."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    per_thread = ceil(problem.gemm.m / _team(problem, threads))
    return PointwiseBlocking(
        filter_block=round_up(per_thread, lanes),
        filters_at_once=min(lanes, MOST_ROWS),
        workspace_bytes=round_up((problem.weight_shape[1] + lanes) * element, CACHE_LINE),
    )


def _team(problem: ConvProblem, threads: int) -> int:
    """Return how many threads have enough to do."""
    return max(1, min(threads, problem.macs // SMALLEST_TASK))


@cache
def _kernel(dtype: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("pointwise", dtype, target)
    in_parallel(module, _task(module, epilogue))
    return compiled(module, "pointwise")


def _task(module: Module, epilogue: Epilogue) -> Function:
    """Write the task: a block of filters of one image and group."""

    @function(module)
    def task(
        code: Code,
        parameters: PointwiseParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        start, number = number % p.filter_blocks * p.filter_block, number // p.filter_blocks
        group, batch = number % p.groups, number // p.groups
        stop = (start + p.filter_block).minimum(p.filters)
        first = group * p.filters
        weight, bias, output = arrays.weight, arrays.bias, arrays.output
        distance = residual_distance(arrays)

        column = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        image = arrays.input + (batch * p.input_stride_n + group * p.channels * p.input_stride_c)
        with code.loop(0, p.channels) as channel:
            column[channel] = image[channel * p.input_stride_c]
        whole = p.channels - p.channels % lanes
        rest = code.first_lanes(p.channels - whole)
        step = min(lanes, MOST_ROWS)
        with code.loop(start, stop, step) as filter:
            # Past the last filter it is computed again, and not stored.
            rows = [
                weight + (first + (filter + i).minimum(p.filters - 1)) * p.channels
                for i in range(step)
            ]
            totals = [code.variable(code.zeros()) for _ in rows]
            with code.loop(0, whole, lanes) as channel:
                values = column.vector(channel)
                for row, total in zip(rows, totals, strict=True):
                    total.set(code.fma(row.vector(channel), values, total.get()))
            with code.if_(p.channels > whole):
                values = column.masked(rest, whole)
                for row, total in zip(rows, totals, strict=True):
                    total.set(code.fma(row.masked(rest, whole), values, total.get()))
            sums = _sums(code, [total.get() for total in totals])
            exists = code.first_lanes((stop - filter).minimum(step))
            place = output + (batch * p.output_stride_n + first + filter)
            sums = sums + bias.masked(exists, first + filter)
            place.store_masked(
                exists, apply_epilogue(code, epilogue, sums, place, distance, exists)
            )

    return task


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
