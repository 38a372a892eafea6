"""kn2row: one 1×1 convolution per tap, shifted and added.

Each tap of the kernel, taken alone, is a 1×1 convolution: a product of its weights with the whole
input. All of these products are one: stack the taps' weights and multiply once. What is left of
the convolution is to add the resulting products, each shifted to where its tap lies. The input is
never copied; it is the outputs that are many.

    mixed[b, (u, v), f, q] = Σ_c w[f, c, u, v] · x[b, c, q]            for every pixel q
    y[b, f, i, j] = bias[f] + Σ_u Σ_v mixed[b, (u, v), f, (i·s + u·d − p, j·s + v·d − p)]

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                u, v tap                        d dilation   q pixel

Shapes, for one group: w as [taps · out_channels, in_channels], x as [in_channels, pixels], mixed
[taps · out_channels, pixels]. Cost: in_channels multiply-adds per tap, filter and pixel, those that
no stride reads included, and an addition per tap and output; workspace for `mixed`, taps · filters
/ channels times the input, and for the weight in another order.

Source: A. Vasudevan, A. Anderson and D. Gregg, Parallel multi channel convolution using general
matrix multiplication, 2017; docs/algorithms/kn2row.md. It wins where there are many more input
channels than filters. Do not use it with strides, whose unread pixels it computes, or where the
output is the larger array.
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
    """Everything: every tap is a 1×1 convolution."""
    return Verdict(True, "any problem: one 1×1 convolution per tap")


def cost(problem: ConvProblem) -> Cost:
    """Count a product for every tap and every pixel, read or not; then one addition a tap."""
    taps = prod(problem.kernel_size)
    mixed = problem.batch * taps * problem.out_channels * prod(problem.input_size)
    products = mixed * problem.weight_shape[1]
    mixed_bytes = mixed * problem.format.bytes
    return Cost(
        multiplications=products,
        additions=products + (taps + problem.bias) * prod(problem.output_shape),
        workspace_bytes=mixed_bytes + problem.weight_bytes,
        traffic_bytes=problem.input_bytes
        + 3 * problem.weight_bytes
        + mixed_bytes
        + 3 * taps * problem.output_bytes,
        operations=4 + taps,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u: the definition's own terms, channels first and taps second."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Mix, shift, add."""
    batch, groups, filters = problem.batch, problem.groups, problem.gemm.m
    channels, taps = problem.weight_shape[1], prod(problem.kernel_size)

    rows = weight.reshape(groups, filters, channels, taps).permute(0, 3, 1, 2)
    rows = rows.reshape(groups, taps * filters, channels)
    named = ("groups", "taps · filters of a group", "channels of a group")
    yield Step("rows", rows, named, "each tap's weights, stacked on the next tap's")

    mixed = rows @ input.reshape(batch, groups, channels, prod(problem.input_size))
    mixed = mixed.reshape(batch, groups, taps, filters, *problem.input_size)
    axes = ("batch", "groups", "taps", "filters of a group", *names.sizes(problem))
    yield Step("mixed", mixed, axes, "one 1×1 convolution for every tap, by one product")

    output = mixed.new_zeros(batch, groups, filters, *problem.output_size)
    leading = (slice(None),) * 3
    for number, tap in enumerate(problem.taps()):
        writes, reads = problem.tap_slices(tap)
        output[leading + writes] += mixed[:, :, number][leading + reads]
    output = add_bias(problem, output.reshape(problem.output_shape), bias)
    yield Step("output", output, names.output(problem), "the taps' products, shifted and added")
