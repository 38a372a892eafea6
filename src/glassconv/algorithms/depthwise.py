"""depthwise: one or few input channels per group: an output is a sum of shifted, scaled channels.

With as many groups as input channels, a filter reads a single channel, and its products are no more
than the taps of its kernel. A matrix product has nothing to share here, and little if a group has a
few channels. Take each channel of the groups and each tap in turn: shift the input, scale each
channel by its own weight, add.

    y[b, f, i, j] = bias[f] + Σ_(c,u,v) w[f, c, u, v] · x[b, g(f), c, i·s + u·d − p, j·s + v·d − p]

    b image in the batch    g(f) the group of filter f    c one of its channels, often the only one
    i, j output position    u, v tap    s stride    d dilation    p padding before

Shapes: x [batch, groups · channels, *input_size], w [groups · filters, channels, *kernel_size], y
[batch, groups · filters, *output_size]. Cost: a multiply-add for each tap inside the input and an
addition for the bias; workspace for one tap's scaled input and the sum, an output each.
Arithmetic intensity is low: memory is the limit.

Source: L. Sifre, Rigid-motion scattering for image classification, 2014; A. Howard et al.,
MobileNets, 2017; docs/algorithms/depthwise.md. It wins where a group has one channel. It applies to
groups of few channels only.
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

MAX_CHANNELS = 8  # of a group; more are worth a matrix product


def supports(problem: ConvProblem) -> Verdict:
    """One input channel per group, or several groups of few channels."""
    channels = problem.weight_shape[1]
    if channels == 1:
        return Verdict(True, "every group has one channel of its own")
    if problem.groups == 1:
        return Verdict(False, f"needs one input channel per group, got {channels}")
    if not 0 < channels <= MAX_CHANNELS:
        reason = f"needs 1 to {MAX_CHANNELS} input channels per group, got {channels}"
        return Verdict(False, reason)
    return Verdict(True, f"every group has {channels} channels of its own")


def cost(problem: ConvProblem) -> Cost:
    """Count a multiply-add for each tap inside the input."""
    channels, *kernel_size = problem.weight_shape[1:]
    taps = channels * prod(kernel_size)
    inside = channels * prod(axis.taps_inside for axis in problem.axes)
    macs = problem.batch * problem.out_channels * inside
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
    batch, groups, filters = problem.batch, problem.groups, problem.gemm.m
    channels = problem.weight_shape[1]
    kernels = weight.reshape(groups, filters, channels, *problem.kernel_size)
    named = ("groups", "filters of a group", "channels of a group", *names.kernel(problem))
    yield Step("kernels", kernels, named, "each group's own kernels: a view of the weight")

    inputs = input.reshape(batch, groups, 1, channels, *problem.input_size)
    output = input.new_zeros(batch, groups, filters, *problem.output_size)
    leading = (slice(None),) * 3
    for channel in range(channels):
        kernel, image = kernels[:, :, channel], inputs[:, :, :, channel]
        for tap in problem.taps():
            writes, reads = problem.tap_slices(tap)
            scale = kernel[leading[1:] + tap].reshape(groups, filters, *(1,) * problem.ndim)
            output[leading + writes] += scale * image[leading + reads]
    output = add_bias(problem, output.reshape(problem.output_shape), bias)
    yield Step("output", output, names.output(problem), "every tap's scaled shift, added up")
