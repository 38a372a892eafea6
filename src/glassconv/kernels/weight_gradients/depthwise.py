"""Compiled weight gradient of depthwise convolutions: every tap is a dot product of two planes.

    weight[filter, u, v] = Σ_(image, row, column) grad[row, column] · input[row + u, column + v]

A task is one filter. Each plane of its channel is copied, with padding around it; where columns are
strided, the columns of each phase are adjacent in the copy. Then a vector of output gradients is
loaded once and multiplied by the inputs of each tap, whose sums stay in registers over the plane:

    for each output row, for each vector of columns:
        sum[u, v] += grad · input[u, v]     one load and one fused multiply-add for each tap

The sums of a tap are as many chains as a vector has lanes, image by image and row by row. They are
added at the end, by halves, so the result has the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import ceil, prod
from typing import Any

from torch import Tensor

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads as available_threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack, words_of
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.microkernel.padded_row import range_mask
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    Work,
    activation_bytes,
)
from glassconv.kernels.runtime.loop_text import describe_loop_nest
from glassconv.kernels.runtime.plan import workspace
from glassconv.kernels.runtime.support import supports_common
from glassconv.kernels.weight_gradients import bounds
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.verdict import Verdict

MAX_TAPS = 64
MAX_STRIDE = 2
SPARE_REGISTERS = 4  # for an output gradient, inputs and a mask
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
class DepthwiseGradientParameters(Struct[N]):
    """The kernel's parameters; all sizes are those of one plane."""

    filters: N  # of a group
    batch: N
    taps: N
    input_height: N
    input_width: N
    output_height: N
    output_width: N
    stride_h: N
    padding_h: N
    padding_w: N
    dilation_h: N
    input_stride_n: N
    input_stride_c: N
    input_stride_h: N
    grad_stride_n: N
    grad_stride_c: N
    copied_rows: N
    copied_columns: N  # of each phase
    phase_stride: N  # elements from one phase of a row to the next
    workspace_bytes: N  # per thread


@dataclass(frozen=True)
class DepthwiseGradientArrays(Struct[N]):
    """The addresses of the kernel's arrays."""

    input: N
    grad: N  # of the output
    weight: N  # the gradients
    bias: N
    workspace: N


@dataclass(frozen=True)
class DepthwiseGradientPlan(GradientPlan):
    """The kernel with its parameters for one problem. Call it with the arrays."""

    problem: ConvProblem
    kernels: dict[bool, Compiled]  # by whether the bias's gradient is computed
    parameters: Any  # packed
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
        tasks = self.problem.out_channels
        self.kernels[bias is not None].call(self.parameters, arrays, tasks, num_threads)


def plan(
    problem: ConvProblem, layout: Layout, target: Target, threads: int
) -> DepthwiseGradientPlan:
    """Plan the weight's gradient of a supported problem, for contiguous arrays in this layout."""
    parameters = _parameters(problem, layout, target)
    rows, columns = problem.as_2d().axes
    shape = rows.kernel_size, columns.kernel_size, columns.stride, columns.dilation
    taps = f"{rows.kernel_size} × {columns.kernel_size} taps"
    return DepthwiseGradientPlan(
        problem,
        {each: _compile(problem.dtype, target, *shape, each) for each in (False, True)},
        pack(parameters),
        _max_threads(problem),
        parameters.workspace_bytes,
        describe_loop_nest(
            f"for {problem.out_channels:,} filters: a task",
            f"for {problem.batch:,} images",
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
    parameters = _parameters(problem, layout, target)
    rows, columns = problem.as_2d().axes
    lanes = target.lanes(problem.dtype)
    planes = problem.batch * problem.out_channels
    passes = [len(each) for each in _passes(rows.kernel_size, columns.kernel_size, target)]
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
    return Work(phases, problem.out_channels, min(threads, _max_threads(problem)))


def _max_threads(problem: ConvProblem) -> int:
    return max(1, min(problem.out_channels, problem.macs // MIN_MACS_PER_TASK))


def _parameters(
    problem: ConvProblem, layout: Layout, target: Target
) -> DepthwiseGradientParameters[int]:
    rows, columns = problem.as_2d().axes
    stride_n, stride_c, stride_h, _ = layout.strides
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    pixels, taps = prod(problem.output_size), prod(problem.kernel_size)
    copied_rows = (rows.output_size - 1) * rows.stride + rows.extent
    copied_columns = columns.output_size + (columns.extent - 1) // columns.stride
    phase_stride = round_up(copied_columns, lanes) + lanes
    elements = (taps + 1) * lanes + copied_rows * columns.stride * phase_stride
    return DepthwiseGradientParameters(
        filters=problem.gemm.m,
        batch=problem.batch,
        taps=taps,
        input_height=rows.input_size,
        input_width=columns.input_size,
        output_height=rows.output_size,
        output_width=columns.output_size,
        stride_h=rows.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_h=stride_h,
        grad_stride_n=problem.out_channels * pixels,
        grad_stride_c=pixels,
        copied_rows=copied_rows,
        copied_columns=copied_columns,
        phase_stride=phase_stride,
        workspace_bytes=round_up(elements * element, CACHE_LINE),
    )


# -- in machine code --------------------------------------------------------------------------


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
    columns = _Columns(kernel_width, stride, dilation)
    in_parallel(module, _emit_task(module, kernel_height, columns, with_bias))
    return compiled(module, "depthwise_gradient")


@dataclass(frozen=True)
class _Columns:
    """Where a copied row has the columns that each tap of a kernel row reads."""

    kernel_width: int
    stride: int
    dilation: int

    def place(self, v: int) -> tuple[int, int]:
        """Return the phase of tap v, and how many elements it is from the phase's first."""
        return v * self.dilation % self.stride, v * self.dilation // self.stride


def _passes(height: int, width: int, target: Target) -> Iterator[list[tuple[int, int]]]:
    """Yield the taps (u, v) of each pass over a plane: as many as there are registers for."""
    taps = [(u, v) for u in range(height) for v in range(width)]
    passes = ceil(len(taps) / (target.registers - SPARE_REGISTERS))
    size = ceil(len(taps) / passes)
    for first in range(0, len(taps), size):
        yield taps[first : first + size]


def _emit_task(module: Module, height: int, columns: _Columns, with_bias: bool) -> Function:
    """Emit the task function: the gradients of one filter."""
    copy_plane = _emit_copy_plane(module, columns.stride)
    multiply = [
        _emit_multiply(module, taps, columns, with_bias and number == 0)
        for number, taps in enumerate(_passes(height, columns.kernel_width, module.target))
    ]

    @function(module)
    def task(
        code: Code,
        parameters: DepthwiseGradientParameters[Value],
        arrays: DepthwiseGradientArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        sums = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        plane = sums + (p.taps + 1) * lanes
        # Padding stays zero: the copies do not write its rows.
        size = (p.taps + 1) * lanes + p.copied_rows * p.phase_stride * columns.stride
        with code.loop(0, size, lanes) as element:
            sums[element] = code.zeros()
        input = arrays.input + number // p.filters * p.input_stride_c
        grad = arrays.grad + number * p.grad_stride_c
        with code.loop(0, p.batch) as image:
            copy_plane.call(parameters=p, input=input + image * p.input_stride_n, plane=plane)
            for each in multiply:
                each.call(parameters=p, grad=grad + image * p.grad_stride_n, plane=plane, sums=sums)
        first = code.first_lanes(code.value(1))
        with code.loop(0, p.taps) as tap:
            total = code.sums_of_lanes([sums.vector(tap * lanes)])
            (arrays.weight + number * p.taps).store_masked(first, total, tap)
        if with_bias:
            total = code.sums_of_lanes([sums.vector(p.taps * lanes)])
            arrays.bias.store_masked(first, total, number)

    return task


def _emit_copy_plane(module: Module, stride: int) -> Function:
    """Emit the function that copies the rows of a plane, each phase of the columns apart.

    A vector of columns is copied in all rows, whose padding there has one mask.
    """

    @function(module)
    def copy_plane(
        code: Code,
        parameters: DepthwiseGradientParameters[Value],
        input: Pointer,
        plane: Pointer,
    ) -> None:
        p, lanes = parameters, code.lanes
        rows = (p.copied_rows - p.padding_h).minimum(p.input_height)
        end = p.padding_w + p.input_width
        row_stride = p.phase_stride * stride
        with code.loop(0, p.copied_columns, lanes) as column:
            # Of the padded row, from which the elements of all phases are taken.
            starts = [column * stride + number * lanes for number in range(stride)]
            masks = [range_mask(code, start, p.padding_w, end) for start in starts]
            source = input + (column * stride - p.padding_w)
            to = plane + (p.padding_h * row_stride + column)
            with code.loop(0, rows) as row:
                vectors = [
                    (source + row * p.input_stride_h).masked(mask, number * lanes)
                    for number, mask in enumerate(masks)
                ]
                first, last = vectors[0], vectors[-1]
                for phase in range(stride):
                    elements = first
                    if stride > 1:
                        elements = code.shuffle(first, last, range(phase, 2 * lanes, 2))
                    to[row * row_stride + p.phase_stride * phase] = elements

    return copy_plane


def _emit_multiply(
    module: Module, taps: list[tuple[int, int]], columns: _Columns, with_bias: bool
) -> Function:
    """Emit the function that adds the products of some taps over a plane."""

    @function(module, f"multiply_{taps[0][0]}_{taps[0][1]}")
    def multiply(
        code: Code,
        parameters: DepthwiseGradientParameters[Value],
        grad: Pointer,
        plane: Pointer,
        sums: Pointer,
    ) -> None:
        p, lanes = parameters, code.lanes
        places = [(u * columns.kernel_width + v) * lanes for u, v in taps]
        totals = [code.variable(sums.vector(place)) for place in places]
        bias = code.variable(sums.vector(p.taps * lanes)) if with_bias else None
        whole = p.output_width - p.output_width % lanes
        partial = code.first_lanes(p.output_width - whole)
        row_stride = p.phase_stride * columns.stride
        with code.loop(0, p.output_height) as row:
            outputs = grad + row * p.output_width
            inputs = {
                (u, phase): plane
                + ((row * p.stride_h + p.dilation_h * u) * row_stride + p.phase_stride * phase)
                for u, phase in sorted({(u, columns.place(v)[0]) for u, v in taps})
            }

            def add_products(column: Value, mask: Value | None) -> None:
                def load(pointer: Pointer) -> Value:
                    return pointer.vector(column) if mask is None else pointer.masked(mask, column)

                gradients = load(outputs)
                if bias is not None:
                    bias.set(bias.get() + gradients)
                for (u, v), total in zip(taps, totals, strict=True):
                    phase, offset = columns.place(v)
                    total.set(code.fma(gradients, load(inputs[u, phase] + offset), total.get()))

            with code.loop(0, whole, lanes) as column:
                add_products(column, None)
            with code.if_(whole < p.output_width):
                add_products(whole, partial)
        for place, total in zip(places, totals, strict=True):
            sums[place] = total.get()
        if bias is not None:
            sums[p.taps * lanes] = bias.get()

    return multiply
