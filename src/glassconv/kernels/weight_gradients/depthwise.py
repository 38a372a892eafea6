"""Compiled weight gradient of depthwise convolutions: every tap is a dot product of two planes.

    weight[filter, u, v] = Σ_(image, row, column) grad[row, column] · input[row + u, column + v]

A task is a block of filters, whose planes are adjacent in each image: in small planes, that is what
reads memory in order. The plane of a filter's channel is copied, with padding around it; where
columns are strided, the columns of each phase are adjacent in the copy. Then a vector of output
gradients is loaded once and multiplied by the inputs of each tap, whose sums stay in registers over
the plane:

    for each output row, for each vector of columns:
        sum[u, v] += grad · input[u, v]     one load and one fused multiply-add for each tap

The sums of a tap are as many chains as a vector has lanes, image by image and row by row. They are
added at the end, by halves, so the result has the same bits for any number of threads.

depthwise_parts/task.py has the loops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import ceil, prod
from typing import Any

from torch import Tensor

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads as available_threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack, words_of
from glassconv.codegen.target import Target
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    Work,
    activation_bytes,
)
from glassconv.kernels.runtime.loop_text import at_a_time, describe_blocks, describe_loop_nest
from glassconv.kernels.runtime.plan import workspace
from glassconv.kernels.runtime.support import supports_common
from glassconv.kernels.weight_gradients import bounds
from glassconv.kernels.weight_gradients.depthwise_parts.parameters import parameters_of
from glassconv.kernels.weight_gradients.depthwise_parts.task import Columns, emit_task, passes_of
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.verdict import Verdict

MAX_TAPS = 64
MAX_STRIDE = 2
MIN_MACS_PER_TASK = 500_000


def supports(problem: ConvProblem, layout: str) -> Verdict:
    """Return whether each group has one channel, and strides and kernels are small enough."""
    common = supports_common(problem)
    if not common:
        return common
    channels, taps = problem.weight_shape[1], prod(problem.kernel_size)
    stride = problem.stride[-1]
    needs = {
        "channels first": layout == NCHW,
        f"one channel in each group, got {channels}": channels == 1,
        "a batch that is not empty": problem.batch > 0,
        f"a stride along rows of at most {MAX_STRIDE}, got {stride}": stride <= MAX_STRIDE,
        f"at most {MAX_TAPS} taps, got {taps}": taps <= MAX_TAPS,
    }
    missing = [need for need, is_met in needs.items() if not is_met]
    if missing:
        return Verdict(False, f"requires {missing[0]}")
    return Verdict(True, "a dot product of two planes for each tap")


@dataclass(frozen=True)
class DepthwiseGradientPlan(GradientPlan):
    """The kernel with its parameters for one problem. Call it with the arrays."""

    problem: ConvProblem
    kernel: Callable[[bool], Compiled]  # with the bias's gradient or without, compiled once asked
    parameters: Any  # packed
    tasks: int
    max_threads: int
    workspace_bytes: int  # per thread
    loops: tuple[str, ...]  # a description of the loop nest, one line per loop

    def compute(self, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the gradients of weight and, unless it is None, of the bias to these arrays."""
        num_threads, address = min(available_threads(), self.max_threads), weight.data_ptr()
        arrays = words_of(
            input.data_ptr(),
            grad.data_ptr(),
            address,
            address if bias is None else bias.data_ptr(),
            workspace(num_threads * self.workspace_bytes),
        )
        self.kernel(bias is not None).call(self.parameters, arrays, self.tasks, num_threads)


def plan(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> DepthwiseGradientPlan:
    """Plan the weight's gradient of a supported problem, for contiguous arrays in this layout."""
    parameters = parameters_of(problem, layout, target, threads)
    tasks = ceil(problem.out_channels / parameters.filter_block)
    blocks = describe_blocks(problem.out_channels, parameters.filter_block, "filters")
    rows, columns = problem.as_2d().axes
    shape = rows.kernel_size, columns.kernel_size, columns.stride, columns.dilation
    taps = f"{rows.kernel_size} × {columns.kernel_size} taps"
    return DepthwiseGradientPlan(
        problem,
        cache(partial(_compile, problem.dtype, target, *shape)),
        pack(parameters),
        tasks,
        _max_threads(problem, tasks),
        parameters.workspace_bytes,
        describe_loop_nest(
            f"for {blocks}: a task",
            f"for {problem.batch:,} images",
            f"for {at_a_time(parameters.filter_block, 'filters', 1)}",
            [
                "copy the plane of the channel, with padding",
                f"for {rows.output_size:,} rows of outputs",
            ],
            f"for {columns.output_size:,} columns, {target.lanes(problem.dtype)} at a time",
            f"add the products of {taps} in registers",
        ),
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """Return the bound of the gradient, as of the convolution that equals it."""
    return bounds.plain_sums(problem)


def work(problem: ConvProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the kernel does for a problem."""
    parameters = parameters_of(problem, layout, target, threads)
    tasks = ceil(problem.out_channels / parameters.filter_block)
    rows, columns = problem.as_2d().axes
    lanes = target.lanes(problem.dtype)
    planes = problem.batch * problem.out_channels
    passes = [len(each) for each in passes_of(rows.kernel_size, columns.kernel_size, target)]
    vectors = planes * rows.output_size * ceil(columns.output_size / lanes)
    entries = planes * rows.output_size
    loops = tuple(
        Loop(vectors, multiply_adds=each, unaligned_loads=each, loads=1, entries=entries)
        for each in passes
    )
    copies = Loop(
        planes * rows.input_size * ceil(parameters.copied_columns / lanes),
        multiply_adds=2 * (columns.stride - 1),
        masked_loads=columns.stride,
        stores=columns.stride,
        entries=planes * ceil(parameters.copied_columns / lanes),
    )
    footprint = activation_bytes(problem)
    streams = Stream(problem.input_bytes, footprint), Stream(problem.output_bytes, footprint)
    phases = Phase((copies,), streams[:1]), Phase(loops, streams[1:])
    return Work(phases, tasks, min(threads, _max_threads(problem, tasks)))


def _max_threads(problem: ConvProblem, tasks: int) -> int:
    return max(1, min(tasks, problem.macs // MIN_MACS_PER_TASK))


@cache
def _compile(
    dtype: str,
    target: Target,
    kernel_height: int,
    kernel_width: int,
    stride: int,
    dilation: int,
    with_bias: bool,
) -> Compiled:
    module = Module("depthwise_gradient", dtype, target)
    columns = Columns(kernel_width, stride, dilation)
    in_parallel(module, emit_task(module, kernel_height, columns, with_bias))
    return compiled(module, "depthwise_gradient")
