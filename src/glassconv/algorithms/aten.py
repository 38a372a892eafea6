"""aten: PyTorch's own convolution, the baseline that the others are compared with.

PyTorch hands the arrays to oneDNN, MKL or its own loops, whichever it prefers for the shape and the
element type. What happens inside is not visible from here, so there is only one step to show. It
sums plain products, and its result must stay within their error bound.

In bfloat16 and float16 one thing is excepted. PyTorch's kernels for processors with bfloat16 or
float16 instructions multiply pairs of numbers and fill up a pair with a neighbouring number, whose
weight is zero. Zero times NaN or infinity is NaN. So where the input or the weight holds a NaN or
an infinity, an output may be NaN although its own window holds none.

    y = torch.nn.functional.conv{1,2,3}d(x, w, bias, stride, padding, dilation, groups)

Shapes: as the definition's. Cost: counted as plain products, for oneDNN on x86 has done no Winograd
since 3.2. PyTorch pads both sides of an axis alike; an uneven padding is laid around a copy first.

Source: the PyTorch project, aten/src/ATen/native/Convolution.cpp; docs/algorithms/aten.md says what
is assumed of it. It is always a candidate of "auto", so glassconv is never slower than PyTorch by
more than its own dispatch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms.parts import names, pytorch_cost
from glassconv.algorithms.parts.padding import pad
from glassconv.algorithms.parts.uneven_padding import beyond_even, cut, sides
from glassconv.algorithms.parts.uneven_padding import pad as pad_sides
from glassconv.problem import dtypes
from glassconv.problem.arguments import Padding, Size
from glassconv.problem.memory_layout import NCHW, Shaped, output_layout
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.machine import Machine
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

Call = Callable[[Tensor, Tensor, Tensor | None], Tensor]

CONVOLUTIONS: tuple[Callable[..., Tensor], ...] = (F.conv1d, F.conv2d, F.conv3d)
TRANSPOSED_CONVOLUTIONS: tuple[Callable[..., Tensor], ...] = (
    F.conv_transpose1d,
    F.conv_transpose2d,
    F.conv_transpose3d,
)
TRANSPOSED = True  # the functions below take either kind of problem
HALF_PRECISION = True  # and compute each in its own element type


def supports(problem: Problem) -> Verdict:
    """Everything: PyTorch pads unevenly by copying."""
    return Verdict(True, "any problem: PyTorch computes it")


def cost(problem: Problem) -> Cost:
    """Plain products, each array touched once, and a padded copy where the sides differ."""
    convolution = equal_convolution(problem)
    padded_bytes = convolution.padded_bytes if not problem.even_padding else 0
    return Cost(
        multiplications=problem.macs,
        additions=problem.macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=padded_bytes,
        traffic_bytes=problem.input_bytes
        + problem.weight_bytes
        + problem.output_bytes
        + 2 * padded_bytes,
        operations=1 + (not problem.even_padding),
    )


def seconds(problem: Problem, layout: str, machine: Machine | None) -> float:
    """Return the predicted time; parts/pytorch_cost.py says how it is known."""
    return pytorch_cost.seconds(problem, layout, machine)


def error_bound(problem: Problem) -> ErrorBound:
    """n·u: plain products, in an order of PyTorch's choosing."""
    bound = sum_of_products_bound(equal_convolution(problem).taps_per_output, problem.format)
    if problem.dtype not in dtypes.HALF_PRECISION:
        return bound
    spread = f"PyTorch's {problem.dtype} kernels may multiply a neighbouring NaN or infinity by 0"
    return replace(bound, stray_non_finite=spread)


def steps(problem: Problem, input: Tensor, weight: Tensor, bias: Tensor | None) -> Iterator[Step]:
    """Call PyTorch."""
    axes = names.output(equal_convolution(problem))
    if isinstance(problem, TransposedProblem):
        output = compile_for(problem)(input, weight, bias)
        note = f"by {TRANSPOSED_CONVOLUTIONS[problem.ndim - 1].__name__}"
    else:
        if not problem.even_padding:
            input = pad(problem, input)
            padded_axes = ("batch", "in_channels", *names.sizes(problem))
            yield Step("padded", input, padded_axes, "zeros around the input, more on one side")
            problem = replace(
                problem, input_size=tuple(input.shape[2:]), padding=((0, 0),) * problem.ndim
            )
        output = compile_for(problem)(input, weight, bias)
        note = f"by {CONVOLUTIONS[problem.ndim - 1].__name__}"
    yield Step("output", output, axes, note)


def is_in_own_loops(dtype: str) -> bool:
    """Return whether PyTorch computes an element type by loops of its own, not by oneDNN."""
    if dtype == "bfloat16":
        return not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if dtype == "float16":
        return not torch.ops.mkldnn._is_mkldnn_fp16_supported()
    return dtype != "float32"


def output_layout_of(problem: Problem, input: Shaped, weight: Shaped) -> str:
    """Return the memory layout of the output that PyTorch returns for these operands."""
    one_number = problem.output_shape[1:] == (problem.groups, *(1,) * problem.ndim)
    if problem.ndim == 3:
        return NCHW
    if problem.groups > 1 and one_number and is_in_own_loops(problem.dtype):
        return NCHW  # PyTorch joins the groups' outputs, each a single number
    return output_layout(input, weight)


def compile_for(problem: Problem) -> Call:
    """Return what computes the output of such operands, and keeps no step."""
    if isinstance(problem, TransposedProblem):
        return transposed_convolution(
            problem.ndim,
            problem.stride,
            problem.padding,
            problem.output_padding,
            problem.groups,
            problem.dilation,
        )
    return convolution(
        problem.ndim,
        problem.stride,
        problem.padding,
        problem.dilation,
        problem.groups,
        add_bias=not reads_every_axis(problem),
    )


def reads_every_axis(problem: Problem) -> bool:
    """Return whether some window reads the input along each axis of a convolution.

    Where none does, PyTorch 2.13 may end the process, for channels last with a bias and a stride,
    unless the bias is added to the output of a convolution without one.
    """
    return isinstance(problem, TransposedProblem) or all(
        axis.positions_read for axis in problem.axes
    )


def convolution(
    ndim: int,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    *,
    add_bias: bool = False,
) -> Call:
    """Return PyTorch's convolution for any sizes, of a padded input where padding is in pairs.

    padding: as `functional.conv2d` takes it. Pairs of equal sizes are PyTorch's own padding.
    add_bias: add the bias to the output of a convolution without one.
    """
    convolve = CONVOLUTIONS[ndim - 1]
    pairs = sides(padding, ndim)
    if pairs is not None and any(before != after for before, after in pairs):
        uneven = pairs

        def call(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            return convolve(pad_sides(input, uneven), weight, bias, stride, 0, dilation, groups)
    else:
        even = padding if pairs is None else tuple(before for before, _ in pairs)

        def call(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            return convolve(input, weight, bias, stride, even, dilation, groups)

    return _with_bias_added(call, ndim) if add_bias else call


def _with_bias_added(call: Call, ndim: int) -> Call:
    def with_bias(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # PyTorch cannot sum the gradient of an added bias in complex32.
        if bias is None or bias.dtype == torch.complex32 or not input.numel():
            return call(input, weight, bias)
        output = call(input, weight, None)
        return output + bias.to(output.dtype).reshape(-1, *(1,) * ndim)

    return with_bias


def transposed_convolution(
    ndim: int, stride: Size, padding: Padding, output_padding: Size, groups: int, dilation: Size
) -> Call:
    """Return PyTorch's transposed convolution; what padding in pairs cuts off besides is cut here.

    padding: as `functional.conv_transpose2d` takes it, or (before, after) per axis.
    """
    convolve = TRANSPOSED_CONVOLUTIONS[ndim - 1]
    pairs = sides(padding, ndim)
    even = padding if pairs is None else tuple(min(pair) for pair in pairs)

    def call(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return convolve(input, weight, bias, stride, even, output_padding, groups, dilation)

    if pairs is None or all(before == after for before, after in pairs):
        return call
    beyond = beyond_even(pairs)
    return lambda input, weight, bias: cut(call(input, weight, bias), beyond).clone()
