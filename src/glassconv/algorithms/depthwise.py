"""depthwise: one input channel per group, so an output is a sum of shifted, scaled channels.

With as many groups as input channels, a filter reads a single channel, and its products are no more
than the taps of its kernel. A matrix product has nothing to share here. Take each tap in turn:
shift the input, scale each channel by its own weight, add.

    y[b, f, i, j] = bias[f] + Σ_u Σ_v w[f, u, v] · x[b, c(f), i·s + u·d − p, j·s + v·d − p]

    b image in the batch    c(f) the one channel that filter f reads    i, j output position
    u, v tap                s stride    d dilation    p padding before

Shapes: x [batch, channels, *input_size], w [channels · filters, 1, *kernel_size], y [batch,
channels · filters, *output_size]. Cost: a multiply-add for each tap inside the input and an
addition for the bias; workspace for one tap's scaled input and the sum, an output each.
Arithmetic intensity is low: memory is the limit.

Source: L. Sifre, Rigid-motion scattering for image classification, 2014; A. Howard et al.,
MobileNets, 2017; docs/algorithms/depthwise.md. It wins wherever it applies. It applies to one input
channel per group only.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.bias import add_bias
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict


def supports(problem: ConvProblem) -> Verdict:
    """One input channel per group."""
    channels = problem.weight_shape[1]
    if channels == 1:
        return Verdict(True, "every group has one channel of its own")
    return Verdict(False, f"needs one input channel per group, got {channels}")


def cost(problem: ConvProblem) -> Cost:
    """Count a multiply-add for each tap inside the input."""
    taps = prod(problem.kernel_size)
    macs = problem.batch * problem.out_channels * prod(axis.taps_inside for axis in problem.axes)
    return Cost(
        multiplications=macs,
        additions=macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=2 * problem.output_bytes,
        traffic_bytes=taps * (problem.im2col_bytes // taps + 4 * problem.output_bytes),
        operations=2 + 3 * taps,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u: one plain sum over the taps."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Shift, scale, add."""
    batch, channels, filters = problem.batch, problem.in_channels, problem.gemm.m
    kernels = weight.reshape(channels, filters, *problem.kernel_size)
    named = ("channels", "filters of a channel", *names.kernel(problem))
    yield Step("kernels", kernels, named, "each channel's own kernels: a view of the weight")

    output = input.new_zeros(batch, channels, filters, *problem.output_size)
    leading = (slice(None),) * 3
    for tap in problem.taps():
        writes, reads = problem.tap_slices(tap)
        scale = kernels[leading[1:] + tap].reshape(channels, filters, *(1,) * problem.ndim)
        output[leading + writes] += scale * input[:, :, None][leading + reads]
    output = add_bias(problem, output.reshape(problem.output_shape), bias)
    yield Step("output", output, names.output(problem), "every tap's scaled shift, added up")
