"""direct: the definition, one tap of the kernel at a time.

A tap is one position (u, v) inside the kernel. Seen through it, a convolution is an input shifted
and thinned by the stride, its channels mixed by a matrix of weights. Sum this over all taps, add
the bias, and that is the convolution; every other algorithm is a way to arrange this sum.

    y[b, f, i, j] = bias[f] + Σ_u Σ_v Σ_c w[f, c, u, v] · x[b, c, i·s + u·d − p, j·s + v·d − p]

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                u, v tap                        d dilation   x is 0 outside the input

Shapes: x [batch, in_channels, *input_size], w [out_channels, in_channels / groups, *kernel_size], y
[batch, out_channels, *output_size]. Cost: one multiply-add for each tap that falls inside the
input (padding is skipped, never multiplied), one addition for the bias; workspace for one tap's
window, as large as the input seen with its stride, and for its product, as large as the output.

Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016;
docs/algorithms/direct.md works it out by hand. Use it to be right: in NumPy and float64 it is what
`verify` judges everything by. It also runs on tensors, so it can be differentiated. Do not use it
to be fast: it passes over the output per tap.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.zeros import A, zeros
from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict


def supports(problem: ConvProblem) -> Verdict:
    """Everything: it is the definition."""
    return Verdict(True, "any problem: sums by the definition")


def cost(problem: ConvProblem) -> Cost:
    """One multiply-add for each tap inside the input; padding is never multiplied."""
    inside = prod(axis.taps_inside for axis in problem.axes)
    macs = problem.batch * problem.out_channels * problem.weight_shape[1] * inside
    taps = prod(problem.kernel_size)
    window_bytes = problem.input_bytes * prod(problem.output_size) // prod(problem.input_size)
    return Cost(
        multiplications=macs,
        additions=macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=window_bytes + problem.output_bytes,
        traffic_bytes=taps * (3 * window_bytes + 4 * problem.output_bytes),
        operations=4 * taps + 2,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u, as for every algorithm that sums plain products."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(problem: ConvProblem, input: A, weight: A, bias: A | None) -> Iterator[Step]:
    """Add up what each tap contributes."""
    batch, groups = problem.batch, problem.groups
    filters, channels = problem.gemm.m, problem.weight_shape[1]
    images = input.reshape(batch, groups, channels, *problem.input_size)
    kernels = weight.reshape(groups, filters, channels, *problem.kernel_size)
    output = zeros(input, weight, (batch, groups, filters, *problem.output_size))
    leading = (slice(None),) * 3
    for tap in problem.taps():
        writes, reads = problem.tap_slices(tap)
        window = images[leading + reads]
        positions = window.shape[3:]
        mixed = kernels[leading + tap] @ window.reshape(batch, groups, channels, prod(positions))
        output[leading + writes] += mixed.reshape(batch, groups, filters, *positions)
    output = output.reshape(problem.output_shape)
    axes = names.output(problem)
    yield Step("sum over taps", output, axes, "the products of every tap, added")
    if bias is not None:
        output = output + bias.reshape(-1, *(1,) * problem.ndim)
        yield Step("output", output, axes, "plus one number per filter")


def define(problem: ConvProblem, input: Array, weight: Array, bias: Array | None) -> Array:
    """Return the convolution in NumPy's float64: what everything else is judged by."""
    exact_bias = None if bias is None else bias.astype(np.float64)
    *_, last = steps(problem, input.astype(np.float64), weight.astype(np.float64), exact_bias)
    output: Array = last.array
    return output
