"""The depthwise weight gradient in the published order: the lanes of a vector are filters.

The lanes of the default kernel are columns, whose sums are added at the end. In the published order
the products of a weight are a chain. So a task copies the planes of as many filters as a vector has
lanes into [row, column, lane], transposed where channels are first, and the sums of their taps stay
in registers over a row of pixels:

    for each pixel of the row, for each tap:
        sum[tap] = fma(input[pixel + tap], grad[pixel], sum[tap])

A block of the order ends in the midst of a row. The sums are kept in memory between rows, which
changes no bit. `parts_plan.py` adds the sums of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from math import ceil, prod

from glassconv.algorithms.ordered import BLOCK
from glassconv.codegen.ir import INT, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import pack, table_after
from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.ordered_parts import filters_in_lanes
from glassconv.kernels.ordered_parts.filters_in_lanes import emit_transpose_window
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.loop_text import describe_loop_nest
from glassconv.kernels.weight_gradients.gemm_parts.blocking import TASKS, max_threads
from glassconv.kernels.weight_gradients.gemm_parts.parameters import GradientArrays, SumParameters
from glassconv.kernels.weight_gradients.gemm_parts.sums import sum_tasks_of
from glassconv.kernels.weight_gradients.ordered_parts.lanes_copies import (
    FilterGradientParameters,
    emit_copy_grads,
    emit_copy_window,
    emit_transpose_grads,
)
from glassconv.kernels.weight_gradients.parts_plan import PartsPlan, Round, compile_sums
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout

SPARE_REGISTERS = 3  # for an output gradient and an input


def lanes_plan(problem: ConvProblem, layout: Layout, target: Target) -> PartsPlan:
    """Plan a problem of one channel in each group; with channels last, and of one filter."""
    problem_2d, lanes = problem.as_2d(), target.lanes(problem.dtype)
    vectors, taps = ceil(problem.out_channels / lanes), prod(problem.kernel_size)
    is_divided = vectors < TASKS
    at_once = min(problem.batch, ceil(TASKS / vectors)) if is_divided else 1
    tasks = vectors * at_once
    parameters = _parameters(problem_2d, layout, target, 1 if is_divided else problem.batch)
    rows = problem_2d.output_size[0]
    return PartsPlan(
        problem,
        layout,
        _compile(problem.dtype, layout.name, target, taps),
        compile_sums(problem.dtype, target),
        {False: tuple(_rounds(problem_2d, parameters, target, at_once))},
        sum_tasks=sum_tasks_of(problem.out_channels, problem.dtype, target),
        max_threads=max_threads(problem, tasks),
        sums_elements=at_once * parameters.part_stride,
        workspace_bytes=parameters.workspace_bytes,
        loops=describe_loop_nest(
            f"for {vectors:,} × {lanes} filters, {problem.batch:,} images: a task or a part of one",
            f"for {rows:,} rows of outputs, {parameters.unit_rows:,} at a time",
            ["copy their inputs and output gradients, filters side by side", "for each row"],
            f"add the products of {taps:,} taps in registers",
        ),
    )


def _parameters(
    problem: ConvProblem, layout: Layout, target: Target, images: int
) -> FilterGradientParameters[int]:
    """Return the parameters of a 2D problem, of whose images a task adds so many."""
    blocks = filters_in_lanes.blocking(problem, target)
    given = vars(filters_in_lanes.parameters_of(problem, layout, blocks))
    sums_stride = round_up(problem.out_channels, target.lanes(problem.dtype))
    taps, element = prod(problem.kernel_size), problem.format.bytes
    sums_bytes = round_up(taps * target.vector_bytes, CACHE_LINE)
    return FilterGradientParameters(
        **given | {"workspace_bytes": blocks.workspace_bytes + sums_bytes},
        batch=problem.batch,
        channels_last_stride=problem.out_channels,
        first_part=0,
        images_per_part=images,
        part_stride=taps * sums_stride,
        sums_stride=sums_stride,
        block_start=blocks.workspace_bytes // element,
    )


def _rounds(
    problem: ConvProblem, parameters: FilterGradientParameters[int], target: Target, at_once: int
) -> Iterator[Round]:
    """Yield the rounds in the order in which their parts are added."""
    rows, columns = problem.axes
    lanes, given = target.lanes(problem.dtype), vars(parameters)
    table = tuple(
        (u * rows.dilation * parameters.window_width + v * columns.dilation) * lanes
        for u in range(rows.kernel_size)
        for v in range(columns.kernel_size)
    )
    all_parts = ceil(problem.batch / parameters.images_per_part)
    for first in range(0, all_parts, at_once):
        parts = min(all_parts - first, at_once)
        sums = SumParameters(
            parts=parts,
            part_stride=parameters.part_stride,
            group_stride=0,
            sums_stride=parameters.sums_stride,
            filters=problem.out_channels,
            tasks_per_group=sum_tasks_of(problem.out_channels, problem.dtype, target),
            rows=parameters.taps,
            with_bias=0,
            is_first=int(first == 0),
        )
        at_first = FilterGradientParameters(**given | {"first_part": first})
        yield Round(pack(at_first, table), pack(sums), parts * parameters.filter_blocks)


# -- in machine code --------------------------------------------------------------------------


@cache
def _compile(dtype: str, layout: str, target: Target, taps: int) -> Compiled:
    module = Module("ordered_depthwise_gradient", dtype, target)
    in_parallel(module, _emit_task(module, layout, taps))
    return compiled(module, "ordered_depthwise_gradient")


def _emit_task(module: Module, layout: str, taps: int) -> Function:
    """Emit the task function: the sums of a vector of filters over the images of a part."""
    is_nchw = layout == NCHW
    copy_window = emit_transpose_window(module) if is_nchw else emit_copy_window(module)
    copy_grads = emit_transpose_grads(module) if is_nchw else emit_copy_grads(module)
    passes = ceil(taps / (module.target.registers - SPARE_REGISTERS))
    size = ceil(taps / passes)
    starts = range(0, taps, size)
    multiply = {
        each: _emit_multiply(module, each) for each in {min(size, taps - s) for s in starts}
    }

    @function(module)
    def task(
        code: Code,
        parameters: FilterGradientParameters[Value],
        arrays: GradientArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes, table = parameters, code.lanes, table_after(parameters)
        filter, part = number % p.filter_blocks * lanes, number // p.filter_blocks
        of_image = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        block, window = of_image + p.block_start, of_image + p.window_start * lanes
        grads = of_image + p.outputs_start * lanes
        sums = arrays.sums + (part * p.part_stride + filter)
        first = (p.first_part + part) * p.images_per_part
        grad_stride_w = 1 if is_nchw else p.channels_last_stride
        left = code.variable(BLOCK)

        def for_each_tap(change: Callable[[Pointer, Pointer, Pointer], None]) -> None:
            with code.loop(0, p.taps) as tap:
                change(sums + tap * p.sums_stride, of_image + tap * lanes, block + tap * lanes)

        def end_block() -> None:
            def change(_: Pointer, of_image: Pointer, block: Pointer) -> None:
                of_image[0] = of_image.vector() + block.vector()
                block[0] = code.zeros()

            for_each_tap(change)
            left.set(BLOCK)

        def clear(sums: Pointer, of_image: Pointer, block: Pointer) -> None:
            for place in (sums, of_image, block):
                place[0] = code.zeros()

        def end_image(sums: Pointer, of_image: Pointer, block: Pointer) -> None:
            sums[0] = sums.vector() + of_image.vector()
            of_image[0] = code.zeros()

        for_each_tap(clear)
        with code.loop(first, (first + p.images_per_part).minimum(p.batch)) as image:
            with code.loop(0, p.output_height, p.unit_rows) as top:
                rows = (p.output_height - top).minimum(p.unit_rows)
                copy_window.call(
                    parameters=p,
                    image=arrays.input + image * p.input_stride_n,
                    window=window,
                    filter=filter,
                    top=top * p.stride_h - p.padding_h,
                    rows=(rows - 1) * p.stride_h + p.extent_h,
                )
                copy_grads.call(
                    parameters=p,
                    grad=arrays.grad
                    + (image * p.output_stride_n + top * p.output_width * grad_stride_w),
                    copied=grads,
                    filter=filter,
                    pixels=rows * p.output_width,
                )
                with code.loop(0, rows) as row:
                    column = code.variable(0)
                    with code.while_(lambda: column.get() < p.output_width):
                        start = column.get()
                        pixels = (p.output_width - start).minimum(left.get())
                        for tap in starts:
                            multiply[min(size, taps - tap)].call(
                                table=(table + tap).cast(code.float),
                                input=window
                                + (row * p.stride_h * p.window_width + start * p.stride_w) * lanes,
                                input_stride=p.stride_w * lanes,
                                grad=grads + (row * p.output_width + start) * lanes,
                                sums=block + tap * lanes,
                                pixels=pixels,
                            )
                        column.set(start + pixels)
                        left.set(left.get() - pixels)
                        with code.if_(left.get().equals(0)):
                            end_block()
            end_block()
            for_each_tap(end_image)

    return task


def _emit_multiply(module: Module, taps: int) -> Function:
    """Emit the function that adds the products of so many taps over adjacent pixels."""

    @function(module, f"multiply_{taps}")
    def multiply(
        code: Code,
        table: Pointer,
        input: Pointer,
        input_stride: Value,
        grad: Pointer,
        sums: Pointer,
        pixels: Value,
    ) -> None:
        lanes, offsets = code.lanes, table.cast(INT)
        inputs = [input + offsets[tap] for tap in range(taps)]
        totals = [code.variable(sums.vector(tap * lanes)) for tap in range(taps)]
        with code.loop(0, pixels) as pixel:
            of_pixel = grad.vector(pixel * lanes)
            for each, total in zip(inputs, totals, strict=True):
                number = each.vector(pixel * input_stride)
                total.set(code.fma(number, of_pixel, total.get()))
        for tap, total in enumerate(totals):
            sums[tap * lanes] = total.get()

    return multiply
