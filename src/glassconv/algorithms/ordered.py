"""ordered: one published order of fused multiply-adds, so every machine returns the same bits.

A rounded sum depends on the order of its terms, so libraries return other bits for other threads,
batches, layouts and processors. Here the order is fixed. The products of an output are numbered by
kernel row, then kernel column, then channel. Each BLOCK of them is one chain of fused multiply-adds
that starts at +0. The sums of the blocks are added to the bias, in order. A product with padding
is skipped, and keeps its number. A transposed convolution is the convolution it equals.

    k = (u · kernel_width + v) · channels + c
    s_n = fma(w_k, x_k, … fma(w_j, x_j, +0))            j = n · BLOCK, … k < (n + 1) · BLOCK
    y = (((+0 + bias) + s_0) + s_1) + …

    w_k = w[f, c, u, v]    x_k = x[b, c, i·s + u·d − p, j·s + v·d − p]    fma: rounded once

Shapes: x [batch, in_channels, *input_size], w [out_channels, in_channels / groups, *kernel_size], y
[batch, out_channels, *output_size]. Cost: one multiply-add for each tap inside the input; its
kernels do as many as implicit GEMM's. Here each is emulated, by some twenty operations.

Source: docs/reproducible.md. `accuracy="strict"` runs it and nothing else. It wins nothing: its
kernels are a little slower than others', its steps thousands of times. Do not use it where the last
bits may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import inf, prod

from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.zeros import zeros
from glassconv.mathematics.fused_multiply_add import fused_multiply_add
from glassconv.problem.axis import Axis
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.machine import Machine
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

BLOCK = 256  # products of a chain
PUBLISHED_ORDER = True  # its outputs have the same bits everywhere: what "strict" demands
TRANSPOSED = True  # the functions below take either kind of problem
OPERATIONS = 25  # of PyTorch's, for each product: the fused multiply-add is emulated

Slices = tuple[slice, ...]


def supports(problem: Problem) -> Verdict:
    """Everything: any sum can be put in order."""
    return Verdict(True, "any problem: one order of fused multiply-adds")


def cost(problem: Problem) -> Cost:
    """One multiply-add for each product, and the sums of blocks; an emulation's traffic."""
    terms = equal_convolution(problem).taps_per_output
    blocks = -(-terms // BLOCK)
    return Cost(
        multiplications=problem.macs,
        additions=problem.macs + (blocks + problem.bias) * prod(problem.output_shape),
        workspace_bytes=6 * problem.output_bytes,
        traffic_bytes=terms * OPERATIONS * 2 * problem.output_bytes,
        operations=terms * OPERATIONS,
    )


def error_bound(problem: Problem) -> ErrorBound:
    """n·u, as for every algorithm that sums plain products."""
    return sum_of_products_bound(equal_convolution(problem).taps_per_output, problem.format)


def seconds(problem: Problem, layout: str, machine: Machine | None) -> float:
    """Return infinity: `auto` takes it in "strict" only, where nothing else is allowed."""
    return inf


def steps(problem: Problem, input: Tensor, weight: Tensor, bias: Tensor | None) -> Iterator[Step]:
    """Add up one product of every output at a time, in the published order."""
    batch, groups, ones = problem.batch, problem.groups, (1,) * problem.ndim
    channels, filters = problem.in_channels // groups, problem.out_channels // groups
    images = input.reshape(batch, groups, 1, channels, *problem.input_size)
    flipped = problem.flip(weight) if isinstance(problem, TransposedProblem) else weight
    kernels = flipped.reshape(groups, filters, channels, *problem.kernel_size)
    shape = (batch, groups, filters, *problem.output_size)
    total, block = zeros(input, weight, shape), zeros(input, weight, shape)
    if bias is not None:
        total = total + bias.reshape(groups, filters, *ones)
    every = (slice(None),) * 3
    for k, ((tap, writes, reads), channel) in enumerate(product(taps(problem), range(channels))):
        if k and k % BLOCK == 0:
            total, block = total + block, zeros(input, weight, shape)
        scale = kernels[:, :, channel][every[1:] + tap].reshape(groups, filters, *ones)
        window = images[:, :, :, channel][every + reads]
        block[every + writes] = fused_multiply_add(scale, window, block[every + writes])
    output = (total + block).reshape(problem.output_shape)
    axes = names.output(equal_convolution(problem))
    yield Step("output", output, axes, "block after block, added to the bias")


def taps(problem: Problem) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
    """Yield each tap of the kernel, row by row, the outputs that it adds to, what those read.

    A tap adds to the outputs for which it is on the input, not on padding. A transposed problem is
    the convolution with flipped kernels that it equals; inserted zeros are skipped like padding.
    """
    for tap in product(*map(range, problem.kernel_size)):
        if isinstance(problem, TransposedProblem):
            pairs = [
                _transposed(axis, axis.kernel_size - 1 - index, size)
                for axis, index, size in zip(problem.axes, tap, problem.input_size, strict=True)
            ]
        else:
            pairs = [axis.tap_slices(index) for axis, index in zip(problem.axes, tap, strict=True)]
        yield tap, tuple(writes for writes, _ in pairs), tuple(reads for _, reads in pairs)


def _transposed(axis: Axis, index: int, inputs: int) -> tuple[slice, slice]:
    """Return what a tap of a transposed axis connects; output padding has windows of no input."""
    reads, writes = axis.tap_slices(index)
    kept = range(reads.start, min(reads.stop, inputs))
    stop = writes.start + len(kept) * axis.stride
    return slice(writes.start, min(stop, writes.stop), axis.stride), slice(kept.start, kept.stop)
