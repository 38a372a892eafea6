"""pointwise: a 1×1 convolution is a matrix product, without lowering.

A kernel of one pixel looks at no neighbours, so there is nothing to lower: the input, read as a
matrix of channels by pixels, already is its own im2col matrix. A stride only thins the pixels out.

    y[b, f, i, j] = bias[f] + Σ_c w[f, c] · x[b, c, i·s − p, j·s − p]

    b image in the batch    c input channel of f's group    s stride
    f filter                i, j output position            p padding before

Shapes, for one group: w [m, k], x [batch, k, positions], y [batch, m, positions] with m =
out_channels and k = in_channels. Cost: k multiply-adds per output and an addition for the bias;
workspace for the product before the bias and, unless the stride is 1 and there is no padding, for
the pixels that are read.

Source: M. Lin, Q. Chen and S. Yan, Network in network, 2013; docs/algorithms/pointwise.md. It
always wins where it applies: most of a ResNet-50 or a MobileNet is this. It applies to kernels of
size 1 only.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.padding import pad
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict


def supports(problem: ConvProblem) -> Verdict:
    """Kernels of size 1."""
    if set(problem.kernel_size) == {1}:
        return Verdict(True, "a kernel of size 1 needs no im2col")
    kernel = "×".join(map(str, problem.kernel_size))
    return Verdict(False, f"needs a kernel of size 1, got {kernel}")


def cost(problem: ConvProblem) -> Cost:
    """Count a product for each channel; the pixels that are read, if they are not all."""
    read_bytes = 0
    if set(problem.stride) != {1} or problem.is_padded:
        read_bytes = problem.im2col_bytes
    return Cost(
        multiplications=problem.macs,
        additions=problem.macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=read_bytes + problem.output_bytes,
        traffic_bytes=problem.input_bytes
        + problem.weight_bytes
        + 3 * problem.output_bytes
        + 2 * read_bytes,
        operations=5,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u: one plain sum over the channels."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Read, multiply."""
    batch, groups = problem.batch, problem.groups
    thinned = tuple(slice(None, None, step) for step in problem.stride)
    read = pad(problem, input)[(slice(None), slice(None), *thinned)]
    named = ("batch", "in_channels", *names.outputs(problem))
    yield Step("read", read, named, "the pixels that the stride meets: a view without padding")

    columns = read.reshape(batch, groups, problem.gemm.k, prod(problem.output_size))
    product = weight.reshape(groups, problem.gemm.m, problem.gemm.k) @ columns
    output = add_bias(problem, product.reshape(problem.output_shape), bias)
    yield Step("output", output, names.output(problem), "weight times pixels, plus the bias")
