"""The weight gradient's published order compiled as it is defined: weight by weight, scalars.

It takes one to three spatial axes, any kernel size, and output gradients that are not finite, and
is many times slower than the other tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor

from glassconv.algorithms.ordered import BLOCK
from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads as available_threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack, words_of
from glassconv.codegen.target import Target
from glassconv.kernels.ordered_parts.definition import DefinitionParameters, parameters_of
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import Layout

LOOPS = ("for each weight: its products in order",)


@dataclass(frozen=True)
class WeightDefinitionParameters(DefinitionParameters[N]):
    """The kernel's parameters; the output's strides are those of its gradient."""

    batch: N


@dataclass(frozen=True)
class WeightDefinitionArrays(Struct[N]):
    """The addresses of the kernel's arrays."""

    input: N
    grad: N  # of the output
    weight: N  # the gradient


@dataclass(frozen=True)
class WeightDefinitionPlan(GradientPlan):
    """The kernel with its parameters. It computes no gradient of a bias."""

    problem: ConvProblem
    kernel: Compiled
    parameters: Any  # packed
    loops: tuple[str, ...] = LOOPS

    def compute(self, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the weight's gradient to memory in any layout."""
        assert bias is None, "a bias's gradient is that of a weight which multiplies ones"
        found = weight.contiguous()
        arrays = words_of(input.data_ptr(), grad.data_ptr(), found.data_ptr())
        tasks = self.problem.out_channels
        self.kernel.call(self.parameters, arrays, tasks, min(available_threads(), tasks))
        if found is not weight:
            weight.copy_(found)


def definition_plan(problem: ConvProblem, layout: Layout, target: Target) -> WeightDefinitionPlan:
    """Plan any problem of float32 or float64."""
    parameters = WeightDefinitionParameters(
        **vars(parameters_of(problem, layout)), batch=problem.batch
    )
    return WeightDefinitionPlan(problem, _compile(problem.dtype, target), pack(parameters))


@cache
def _compile(dtype: str, target: Target) -> Compiled:
    module = Module("ordered_gradient", dtype, target)
    in_parallel(module, _emit_task(module))
    return compiled(module, "ordered_gradient")


def _emit_task(module: Module) -> Function:
    """Emit the task function: all weights of a filter."""
    sum_products = _emit_sum(module)

    @function(module)
    def task(
        code: Code,
        parameters: WeightDefinitionParameters[Value],
        arrays: WeightDefinitionArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, first = parameters, number // parameters.filters * parameters.channels
        taps = p.kernel_depth * p.kernel_height * p.kernel_width
        with code.loop(0, p.channels) as channel, code.loop(0, taps) as tap:
            row, v = tap // p.kernel_width, tap % p.kernel_width
            sum_products.call(
                parameters=p,
                plane=arrays.input + (first + channel) * p.input_stride_c,
                grad=arrays.grad + number * p.output_stride_c,
                weight=arrays.weight + ((number * p.channels + channel) * taps + tap),
                z=row // p.kernel_height * p.dilation_d - p.padding_d,
                y=row % p.kernel_height * p.dilation_h - p.padding_h,
                x=v * p.dilation_w - p.padding_w,
            )

    return task


def _emit_sum(module: Module) -> Function:
    """Emit the function that computes one weight, which first meets depth z, row y, column x."""

    @function(module)
    def sum_products(
        code: Code,
        parameters: WeightDefinitionParameters[Value],
        plane: Pointer,
        grad: Pointer,
        weight: Pointer,
        z: Value,
        y: Value,
        x: Value,
    ) -> None:
        p, zero = parameters, code.value(0.0, code.float)
        total, of_image, block = (code.variable(zero) for _ in range(3))
        left = code.variable(BLOCK)
        with code.loop(0, p.batch) as image:
            of_image.set(zero)
            block.set(zero)
            left.set(BLOCK)
            inputs, grads = plane + image * p.input_stride_n, grad + image * p.output_stride_n
            rows = p.output_depth * p.output_height
            with code.loop(0, rows) as row, code.loop(0, p.output_width) as column:
                with code.if_(left.get().equals(0)):
                    of_image.set(of_image.get() + block.get())
                    block.set(zero)
                    left.set(BLOCK)
                left.set(left.get() - 1)
                depth = z + row // p.output_height * p.stride_d
                height, width = y + row % p.output_height * p.stride_h, x + column * p.stride_w
                inside = (
                    (depth >= 0)
                    & (depth < p.input_depth)
                    & (height >= 0)
                    & (height < p.input_height)
                    & (width >= 0)
                    & (width < p.input_width)
                )
                with code.if_(inside):
                    number = inputs[
                        depth * p.input_stride_d
                        + height * p.input_stride_h
                        + width * p.input_stride_w
                    ]
                    pixel = grads[(row * p.output_width + column) * p.output_stride_w]
                    block.set(code.fma(number, pixel, block.get()))
            total.set(total.get() + (of_image.get() + block.get()))
        weight[0] = total.get()

    return sum_products
