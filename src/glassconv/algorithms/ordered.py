"""ordered: one published order of fused multiply-adds, so every machine returns the same bits.

A rounded sum depends on the order of its terms, so libraries return other bits for other threads,
batches, layouts and processors. Here the order is fixed. The products of an output are numbered by
kernel row, then kernel column, then channel. Each BLOCK of them is one chain of fused multiply-adds
that starts at +0. The sums of the blocks are added to the bias, in order. A product with padding
is skipped, and keeps its number.

    k = (u · kernel_width + v) · channels + c
    s_n = fma(w_k, x_k, … fma(w_j, x_j, +0))            j = n · BLOCK, … k < (n + 1) · BLOCK
    y = (((+0 + bias) + s_0) + s_1) + …

    w_k = w[f, c, u, v]    x_k = x[b, c, i·s + u·d − p, j·s + v·d − p]    fma: rounded once

Shapes: x [batch, in_channels, *input_size], w [out_channels, in_channels / groups, *kernel_size], y
[batch, out_channels, *output_size]. Cost: one multiply-add for each tap inside the input; its
kernels do as many as implicit GEMM's. Here each is emulated, by some twenty operations.

Source: docs/reproducible.md. `accuracy="strict"` runs it and nothing else. It is the slowest file
here and the fastest kernel but one: use the kernel to reproduce a result, the file to know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.zeros import zeros
from glassconv.mathematics.fused_multiply_add import fused_multiply_add
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

BLOCK = 256  # products of a chain
PUBLISHED_ORDER = True  # its outputs have the same bits everywhere: what "strict" demands
OPERATIONS = 25  # of PyTorch's, for each product: the fused multiply-add is emulated


def supports(problem: ConvProblem) -> Verdict:
    """Everything: any sum can be put in order."""
    return Verdict(True, "any problem: one order of fused multiply-adds")


def cost(problem: ConvProblem) -> Cost:
    """One multiply-add for each tap inside the input, and the sums of blocks."""
    inside = prod(axis.taps_inside for axis in problem.axes)
    macs = problem.batch * problem.out_channels * problem.weight_shape[1] * inside
    blocks = -(-problem.taps_per_output // BLOCK)
    terms = problem.taps_per_output
    return Cost(
        multiplications=macs,
        additions=macs + (blocks + problem.bias) * prod(problem.output_shape),
        workspace_bytes=6 * problem.output_bytes,
        traffic_bytes=terms * (2 * OPERATIONS) * problem.output_bytes,
        operations=terms * OPERATIONS,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u, as for every algorithm that sums plain products."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Add up one product of every output at a time, in the published order."""
    batch, groups, ones = problem.batch, problem.groups, (1,) * problem.ndim
    filters, channels = problem.gemm.m, problem.weight_shape[1]
    images = input.reshape(batch, groups, 1, channels, *problem.input_size)
    kernels = weight.reshape(groups, filters, channels, *problem.kernel_size)
    shape = (batch, groups, filters, *problem.output_size)
    total, block = zeros(input, weight, shape), zeros(input, weight, shape)
    if bias is not None:
        total = total + bias.reshape(groups, filters, *ones)
    every = (slice(None),) * 3
    for k, (tap, channel) in enumerate(product(problem.taps(), range(channels))):
        if k and k % BLOCK == 0:
            total, block = total + block, zeros(input, weight, shape)
        writes, reads = problem.tap_slices(tap)  # only the outputs whose tap is inside the input
        scale = kernels[(*every[1:], channel, *tap)].reshape(groups, filters, *ones)
        window = images[:, :, :, channel][every + reads]
        block[every + writes] = fused_multiply_add(scale, window, block[every + writes])
    output = (total + block).reshape(problem.output_shape)
    yield Step("output", output, names.output(problem), "block after block, added to the bias")
