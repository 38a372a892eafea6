"""toeplitz: write the whole convolution as one matrix, and multiply the input by it.

A convolution is linear, so some matrix does it all: a row for each output, a column for each input
pixel, a weight where the one reads the other. Along a row of the input the weights stand on
diagonals, and so do the blocks for the rows: the matrix is Toeplitz of Toeplitz blocks. It is
almost all zeros, and it is the input that explains everything else: its transpose is the
transposed convolution and the gradient with respect to the input.

    T[(f, i, j), (c, q)] = w[f, c, u, v] where q = (i·s + u·d − p, j·s + v·d − p), else 0
    y[b, (f, i, j)] = bias[f] + Σ_(c,q) T[(f, i, j), (c, q)] · x[b, (c, q)]

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                u, v tap                        d dilation   q pixel

Shapes, for one group: T [out_channels · positions, in_channels · pixels], x and y as one column per
image. Cost: a multiply-add for every cell of T, zeros too, and an addition for the bias; workspace
for T twice, while its column for padding is cut off.

Source: R. Gray, Toeplitz and circulant matrices: a review, 2006; docs/algorithms/toeplitz.md. It
wins nowhere but in a lecture. Do not use it on real layers (it refuses a matrix of more than 4
million cells), nor near NaN or infinity, which the zeros spread over all outputs of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf, prod

import torch
from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.pointers import pointers
from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, Float64, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

MOST_CELLS = 2**22


def supports(problem: ConvProblem) -> Verdict:
    """Problems whose matrix is small."""
    cells = _cells(problem)
    if cells <= MOST_CELLS:
        return Verdict(True, f"its matrix has {cells:,} cells")
    return Verdict(False, f"its matrix would have {cells:,} cells, more than {MOST_CELLS:,}")


def cost(problem: ConvProblem) -> Cost:
    """Count a multiply-add for every cell and image, and the matrix in memory."""
    cells, taps = _cells(problem), prod(problem.kernel_size)
    macs = problem.batch * cells
    cells_bytes = cells * problem.format.bytes
    return Cost(
        multiplications=macs,
        additions=macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=2 * cells_bytes + problem.output_bytes,
        traffic_bytes=4 * cells_bytes + problem.input_bytes + 3 * problem.output_bytes,
        operations=8 + 2 * taps,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u: adding a product with zero is exact, but zero times infinity is NaN."""
    plain = sum_of_products_bound(problem.taps_per_output, problem.format)
    return replace(plain, magnitude=_magnitude, window_factor=inf)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Write the matrix, multiply."""
    batch, groups, filters = problem.batch, problem.groups, problem.gemm.m
    channels, pixels = problem.weight_shape[1], prod(problem.input_size)
    positions = prod(problem.output_size)

    table = pointers(problem, input)
    kernels = weight.reshape(groups, filters, channels, len(table))
    matrix = weight.new_zeros(groups, filters, positions, channels, pixels + 1)
    rows = torch.arange(positions, device=input.device)
    for tap, places in enumerate(table):
        matrix[:, :, rows, :, places] = kernels[..., tap]
    matrix = matrix[..., :pixels].reshape(groups, filters * positions, channels * pixels)
    named = ("groups", "filters of a group · positions", "channels of a group · pixels")
    yield Step("matrix", matrix, named, "a weight where an output reads a pixel, else zero")

    columns = input.reshape(batch, groups, channels * pixels, 1)
    axes = ("batch", "groups", "channels of a group · pixels", "one")
    yield Step("column", columns, axes, "the input as one column: a view")

    output = add_bias(problem, (matrix @ columns).reshape(problem.output_shape), bias)
    yield Step("output", output, names.output(problem), "the matrix times the column, plus bias")


def _cells(problem: ConvProblem) -> int:
    outputs = problem.out_channels * prod(problem.output_size)
    return outputs * problem.weight_shape[1] * prod(problem.input_size)


def _magnitude(problem: ConvProblem, input: Array, weight: Array, bias: Array | None) -> Float64:
    """Return Σ|x||w| + |bias| by the same steps, so that what spreads there spreads here."""
    b = None if bias is None else torch.from_numpy(bias).double()
    x, w = torch.from_numpy(input).double(), torch.from_numpy(weight).double()
    *_, last = steps(problem, x, w, b)
    magnitude: Float64 = last.array.numpy()
    return magnitude
