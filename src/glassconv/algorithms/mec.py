"""mec: lower one axis only, so that overlapping windows share their rows.

im2col copies a pixel once for every window it lies in, along every axis. Memory-efficient
convolution lowers the last axis alone: it cuts the input into strips as wide as the kernel. The
windows of one strip then overlap in memory itself: the next output row reads the same strip a few
rows further on, so no row is copied twice.

    strips[b, j, h, v, c] = x[b, c, h − p, j·s + v·d − p]                  h row, padding's too
    y[b, f, i, j] = bias[f] + Σ_u Σ_v Σ_c w[f, c, u, v] · strips[b, j, i·s + u·d, v, c]

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                u, v tap                        d dilation   i, j output position

Shapes, for one group: strips [batch, out_w, padded_h, kernel_w, in_channels]; each output row is
the product of its rows of the strips, [out_w, kernel_h · kernel_w · in_channels], with the weight.
Cost: the definition's multiply-adds, padding's too, and an addition for the bias; workspace for the
strips, about kernel_h / stride times less than im2col's matrix.

Source: M. Cho and D. Brand, MEC: memory-efficient convolution for deep neural network, 2017;
docs/algorithms/mec.md. It wins where im2col's matrix does not fit in a cache. Do not use it for
tall, narrow outputs: every row is a product of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

import torch
from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.padding import pad, padded_note
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict


def supports(problem: ConvProblem) -> Verdict:
    """Everything: any last axis can be lowered."""
    return Verdict(True, "any problem: lowers the last axis only")


def cost(problem: ConvProblem) -> Cost:
    """Count every product, padding's too; the padded copy and the strips in memory."""
    padded_bytes = problem.padded_bytes if problem.is_padded else 0
    *outer, last = problem.axes
    strips = problem.batch * problem.in_channels * prod(axis.padded_size for axis in outer)
    strips_bytes = strips * last.kernel_size * last.output_size * problem.format.bytes
    return Cost(
        multiplications=problem.macs,
        additions=problem.macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=padded_bytes + strips_bytes + problem.output_bytes,
        traffic_bytes=problem.input_bytes
        + 2 * padded_bytes
        + 2 * strips_bytes
        + prod(axis.output_size for axis in outer) * problem.weight_bytes
        + problem.im2col_bytes
        + 3 * problem.output_bytes,
        operations=6 + 2 * prod(axis.output_size for axis in outer),
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u: the definition's own terms, in another order."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Cut strips, multiply the rows that each output row reads."""
    batch, groups, ndim = problem.batch, problem.groups, problem.ndim
    filters, channels = problem.gemm.m, problem.weight_shape[1]
    *outer, last = problem.axes
    sizes, outputs = names.sizes(problem), names.outputs(problem)

    padded = pad(problem, input)
    yield Step("padded", padded, ("batch", "in_channels", *sizes), padded_note(problem))

    windows = padded.unfold(-1, last.extent, last.stride)[..., :: last.dilation]
    windows = windows.reshape(batch, groups, channels, *windows.shape[2:])
    outer_axes = range(3, 2 + ndim)
    strips = windows.permute(0, 1, 2 + ndim, *outer_axes, 3 + ndim, 2).contiguous()
    named = ("batch", "groups", outputs[-1], *sizes[:-1], names.kernel(problem)[-1], "channels")
    yield Step("strips", strips, named, "as wide as the kernel: the only copy")

    kernel_then_channels = (0, *range(3, 3 + ndim), 2, 1)
    columns = weight.reshape(groups, filters, channels, *problem.kernel_size)
    columns = columns.permute(kernel_then_channels)
    columns = columns.reshape(groups, problem.taps_per_output, filters)
    named = ("groups", "taps · channels of a group", "filters of a group")
    yield Step("columns", columns, named, "one filter per column, in the strips' order")

    rows = []
    for place in product(*(range(axis.output_size) for axis in outer)):
        reads = tuple(
            slice(o * axis.stride, o * axis.stride + axis.extent, axis.dilation)
            for o, axis in zip(place, outer, strict=True)
        )
        read = strips[(slice(None),) * 3 + reads]
        read = read.reshape(batch, groups, last.output_size, problem.taps_per_output)
        rows.append(read @ columns)
    stacked = torch.stack(rows, dim=2)
    named = ("batch", "groups", "outer positions", outputs[-1], "filters of a group")
    yield Step("rows", stacked, named, "every output row, a product of its own")

    output = add_bias(problem, stacked.movedim(-1, 2).reshape(problem.output_shape), bias)
    yield Step("output", output, names.output(problem), "filters first, plus the bias")
