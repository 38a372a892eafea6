"""The published order compiled as it is defined: output by output, product by product, scalars.

It computes every convolution, of one to three spatial axes, in either layout, with any weight, and
is many times slower than the other tasks of the ordered kernel. It is for what they do not support.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from glassconv.algorithms.ordered import BLOCK
from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout, output_strides


@dataclass(frozen=True)
class DefinitionParameters(Struct[N]):
    """The kernel's parameters; axes that a problem lacks have size 1 and come first."""

    channels: N  # of a group
    filters: N  # of a group
    groups: N
    input_depth: N
    input_height: N
    input_width: N
    kernel_depth: N
    kernel_height: N
    kernel_width: N
    output_depth: N
    output_height: N
    output_width: N
    stride_d: N
    stride_h: N
    stride_w: N
    padding_d: N
    padding_h: N
    padding_w: N
    dilation_d: N
    dilation_h: N
    dilation_w: N
    input_stride_n: N
    input_stride_c: N
    input_stride_d: N
    input_stride_h: N
    input_stride_w: N
    output_stride_n: N
    output_stride_c: N
    output_stride_w: N
    runs: N  # of a filter's outputs: one in NCHW, one for each pixel in NHWC
    run_length: N


def parameters_of(problem: ConvProblem, layout: Layout) -> DefinitionParameters[int]:
    """Return the kernel's parameters; an input of three axes has no gaps."""

    def three(sizes: tuple[int, ...], missing: int = 1) -> tuple[int, ...]:
        return (missing,) * (3 - len(sizes)) + sizes

    before = tuple(pair[0] for pair in problem.padding)
    named = {
        ("depth", "height", "width"): {
            "input": three(problem.input_size),
            "kernel": three(problem.kernel_size),
            "output": three(problem.output_size),
        },
        ("d", "h", "w"): {
            "stride": three(problem.stride),
            "padding": three(before, 0),
            "dilation": three(problem.dilation),
        },
    }
    values = {
        f"{name}_{axis}": size
        for axes, arrays in named.items()
        for name, sizes in arrays.items()
        for axis, size in zip(axes, sizes, strict=True)
    }
    stride_n, stride_c, stride_h, stride_w = layout.strides
    stride_d = 0
    if problem.ndim == 3:
        *_, height, width = problem.input_size
        stride_d, stride_h, stride_w = height * width, width, 1
        stride_c = prod(problem.input_size)
        stride_n = problem.in_channels * stride_c
    pixels, is_nchw = prod(problem.output_size), layout.name == NCHW
    output_n, output_c, *_, output_w = output_strides(problem, layout)
    return DefinitionParameters(
        channels=problem.weight_shape[1],
        filters=problem.gemm.m,
        groups=problem.groups,
        input_stride_n=stride_n,
        input_stride_c=stride_c,
        input_stride_d=stride_d,
        input_stride_h=stride_h,
        input_stride_w=stride_w,
        output_stride_n=output_n,
        output_stride_c=output_c,
        output_stride_w=output_w,
        runs=1 if is_nchw else pixels,
        run_length=pixels if is_nchw else 1,
        **values,
    )


def emit_task_definition(module: Module, epilogue: Function | None) -> Function:
    """Emit the task function: all outputs of one filter of one image."""
    sum_products = _emit_sum(module)

    @function(module)
    def task(
        code: Code,
        parameters: DefinitionParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, filters = parameters, parameters.groups * parameters.filters
        filter, image = number % filters, number // filters
        group = filter // p.filters
        outputs = arrays.output + (image * p.output_stride_n + filter * p.output_stride_c)
        rows = p.output_depth * p.output_height
        with code.loop(0, rows) as row, code.loop(0, p.output_width) as column:
            depth, height = row // p.output_height, row % p.output_height
            sum_products.call(
                parameters=p,
                channels=arrays.input
                + (image * p.input_stride_n + group * p.channels * p.input_stride_c),
                weights=arrays.weight
                + filter * p.channels * p.kernel_depth * p.kernel_height * p.kernel_width,
                bias=arrays.bias + filter,
                output=outputs + (row * p.output_width + column) * p.output_stride_w,
                z=depth * p.stride_d - p.padding_d,
                y=height * p.stride_h - p.padding_h,
                x=column * p.stride_w - p.padding_w,
            )
        if epilogue:
            epilogue.call(
                sums=outputs,
                runs=p.runs,
                stride=p.output_stride_w,
                length=p.run_length,
                residual_offset=residual_offset(arrays),
            )

    return task


def _emit_sum(module: Module) -> Function:
    """Emit the function that computes one output, whose window begins at depth z, row y, column x.

    channels: where the image and group begin. weights: those of the filter.
    """

    @function(module)
    def sum_products(
        code: Code,
        parameters: DefinitionParameters[Value],
        channels: Pointer,
        weights: Pointer,
        bias: Pointer,
        output: Pointer,
        z: Value,
        y: Value,
        x: Value,
    ) -> None:
        p, zero = parameters, code.value(0.0, code.float)
        taps = p.kernel_depth * p.kernel_height * p.kernel_width
        total, block, left = (
            code.variable(bias[0] + zero),
            code.variable(zero),
            code.variable(BLOCK),
        )
        with code.loop(0, taps) as tap:
            row, v = tap // p.kernel_width, tap % p.kernel_width
            depth = z + row // p.kernel_height * p.dilation_d
            height = y + row % p.kernel_height * p.dilation_h
            width = x + v * p.dilation_w
            inside = (
                (depth >= 0)
                & (depth < p.input_depth)
                & (height >= 0)
                & (height < p.input_height)
                & (width >= 0)
                & (width < p.input_width)
            )
            pixel = channels + (
                depth * p.input_stride_d + height * p.input_stride_h + width * p.input_stride_w
            )
            with code.loop(0, p.channels) as channel:
                with code.if_(left.get().equals(0)):
                    total.set(total.get() + block.get())
                    block.set(zero)
                    left.set(BLOCK)
                left.set(left.get() - 1)
                with code.if_(inside):
                    weight, number = (
                        weights[channel * taps + tap],
                        pixel[channel * p.input_stride_c],
                    )
                    block.set(code.fma(weight, number, block.get()))
        output[0] = total.get() + block.get()

    return sum_products
