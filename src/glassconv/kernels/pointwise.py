"""Compiled pointwise convolution for 1×1 inputs: a matrix–vector product (GEMV).

    output[filter] = bias[filter] + Σ_channel weight[filter, channel] · input[channel]

There is only one output position, so the reduction is vectorized over channels: each filter has an
accumulator vector, and the accumulators are summed horizontally at the end. Weights are not packed.

Squeeze-and-excitation blocks and the last layers of classifiers have this shape. For larger inputs
implicit_gemm is faster.
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
from glassconv.kernels.runtime.cost_model import Loop, Phase, Stream, Work
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
from glassconv.problem.memory_layout import Layout, output_strides
from glassconv.reports.verdict import Verdict

MIN_MACS_PER_TASK = 500_000
MAX_ACCUMULATORS = 8  # enough to hide the latency of the FMA


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether input, kernel and output have size 1, without padding."""
    if {*problem.kernel_size, *problem.input_size, *problem.output_size} != {1}:
        return Verdict(False, "requires input, kernel and output of size 1")
    if problem.is_padded:
        return Verdict(False, "padding is not supported")
    common = supports_common(problem)
    if not common:
        return common
    return Verdict(True, "matrix-vector product, vectorized over channels")


@dataclass(frozen=True)
class PointwiseBlocking(Blocking):
    """The blocks of a problem."""

    filter_block: int  # filters of a task
    filters_at_once: int
    workspace_bytes: int  # per thread: the channels of an image, contiguous


@dataclass(frozen=True)
class PointwiseParameters(Struct[N]):
    """The kernel's parameters."""

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
    """Plan a supported problem, for inputs in the given memory layout."""
    kernel = _compile(problem.dtype, target, epilogue)
    return plan_of(kernel, problem, layout, target, threads)


def plan_of(
    kernel: Compiled, problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> Plan:
    """Plan a supported problem for a kernel that is compiled for it."""
    blocks = blocking(problem, layout, target, threads)
    channels, filters = problem.weight_shape[1], problem.gemm.m
    parameters = PointwiseParameters(
        channels=channels,
        filters=filters,
        groups=problem.groups,
        input_stride_n=layout.strides[0],
        input_stride_c=layout.strides[1],
        output_stride_n=output_strides(problem, layout)[0],
        filter_block=blocks.filter_block,
        filter_blocks=ceil(filters / blocks.filter_block),
        workspace_bytes=blocks.workspace_bytes,
    )
    tasks = problem.batch * problem.groups * parameters.filter_blocks
    return Plan(
        problem,
        layout,
        kernel,
        blocks,
        pack(parameters),
        tasks,
        blocks.workspace_bytes,
        max_threads=max(1, min(tasks, _num_threads(problem, threads))),
        pack=None,
        loops=describe_loop_nest(
            f"for {describe_batch(problem.batch, problem.groups)}",
            f"for {describe_blocks(filters, blocks.filter_block, 'filters')}: a task",
            f"for {at_a_time(filters, 'filters', blocks.filters_at_once)}",
            f"for {at_a_time(channels, 'channels', target.lanes(problem.dtype))}: one "
            "accumulator per filter",
        ),
    )


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    blocks = blocking(problem, layout, target, threads)
    channels, filters = problem.weight_shape[1], problem.gemm.m
    images = problem.batch * problem.groups
    filter_blocks = ceil(filters / blocks.filter_block)
    at_once = blocks.filters_at_once
    vectors = ceil(channels / target.lanes(problem.dtype))
    runs = images * ceil(filters / at_once)
    loops = (
        Loop(runs * vectors, multiply_adds=at_once, chain=1, loads=at_once + 1, entries=runs),
        Loop(images * filter_blocks * channels, loads=1, stores=1),  # the channels are made dense
        # Sums of lanes: log₂ steps of shuffles and additions, each of half as many vectors.
        Loop(runs, multiply_adds=4 * at_once, masked_loads=1, masked_stores=1),
    )
    streams = (
        Stream(problem.weight_bytes),
        Stream((problem.batch - 1) * problem.weight_bytes, problem.weight_bytes),
    )
    tasks = images * filter_blocks
    team = max(1, min(tasks, _num_threads(problem, threads)))
    return Work((Phase(loops, streams),), tasks, team)


def blocking(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> PointwiseBlocking:
    """Return the blocks of a problem."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    per_thread = ceil(problem.gemm.m / _num_threads(problem, threads))
    return PointwiseBlocking(
        filter_block=round_up(per_thread, lanes),
        filters_at_once=min(lanes, MAX_ACCUMULATORS),
        workspace_bytes=round_up((problem.weight_shape[1] + lanes) * element, CACHE_LINE),
    )


def _num_threads(problem: ConvProblem, threads: int) -> int:
    """Return the number of threads that have enough work."""
    return max(1, min(threads, problem.macs // MIN_MACS_PER_TASK))


@cache
def _compile(dtype: str, target: Target, epilogue: Epilogue) -> Compiled:
    module = Module("pointwise", dtype, target)
    in_parallel(module, _emit_task(module, epilogue))
    return compiled(module, "pointwise")


def _emit_task(module: Module, epilogue: Epilogue) -> Function:
    """Emit the task function: a block of filters of one image and group."""

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
        offset = residual_offset(arrays)

        x = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        input_ptr = arrays.input + (
            batch * p.input_stride_n + group * p.channels * p.input_stride_c
        )
        with code.loop(0, p.channels) as channel:
            x[channel] = input_ptr[channel * p.input_stride_c]
        vector_stop = p.channels - p.channels % lanes
        tail_mask = code.first_lanes(p.channels - vector_stop)
        step = min(lanes, MAX_ACCUMULATORS)
        with code.loop(start, stop, step) as filter:
            # Filters past the end are clamped to the last one, whose duplicates are not stored.
            rows = [
                weight + (first + (filter + i).minimum(p.filters - 1)) * p.channels
                for i in range(step)
            ]
            accumulators = [code.variable(code.zeros()) for _ in rows]
            with code.loop(0, vector_stop, lanes) as channel:
                values = x.vector(channel)
                for row, accumulator in zip(rows, accumulators, strict=True):
                    accumulator.set(code.fma(row.vector(channel), values, accumulator.get()))
            with code.if_(p.channels > vector_stop):
                values = x.masked(tail_mask, vector_stop)
                for row, accumulator in zip(rows, accumulators, strict=True):
                    accumulator.set(
                        code.fma(row.masked(tail_mask, vector_stop), values, accumulator.get())
                    )
            sums = _horizontal_sums(code, [accumulator.get() for accumulator in accumulators])
            valid = code.first_lanes((stop - filter).minimum(step))
            output_ptr = output + (batch * p.output_stride_n + first + filter)
            sums = sums + bias.masked(valid, first + filter)
            output_ptr.store_masked(
                valid, apply_epilogue(code, epilogue, sums, output_ptr, offset, valid)
            )

    return task


def _horizontal_sums(code: Code, vectors: list[Value]) -> Value:
    """Return a vector whose lane i is the sum of the lanes of vectors[i].

    The number of vectors must be a power of two. Each step adds pairs of vectors after a shuffle
    of their lanes, which halves the number of vectors.
    """
    distance = 1  # between the lanes that are added
    while len(vectors) > 1:
        own_lanes = [lane + code.lanes * bool(lane & distance) for lane in range(code.lanes)]
        swapped_lanes = [
            (lane ^ distance) + code.lanes * bool(lane & distance) for lane in range(code.lanes)
        ]
        vectors = [
            code.shuffle(one, other, own_lanes) + code.shuffle(one, other, swapped_lanes)
            for one, other in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        distance *= 2
    accumulator = vectors[0]
    while distance < code.lanes:
        swapped_lanes = [lane ^ distance for lane in range(code.lanes)]
        accumulator = accumulator + code.shuffle(accumulator, accumulator, swapped_lanes)
        distance *= 2
    return accumulator
