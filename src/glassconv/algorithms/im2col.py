"""im2col: copy every window into a column, and the convolution is one matrix product.

Each output position reads one window of the input. Write that window as a column of a matrix and
each filter as a row of another; then every output is a row times a column, and all of them together
are the one operation that hardware does best. The price is memory: overlapping windows share
pixels, and each is copied once per window, up to kernel_h · kernel_w times.

    columns[b, (c, u, v), (i, j)] = x[b, c, i·s + u·d − p, j·s + v·d − p]
    y[b, f, (i, j)] = bias[f] + Σ_(c,u,v) w[f, (c, u, v)] · columns[b, (c, u, v), (i, j)]

    b image in the batch    c input channel    s stride     p padding before
    f filter                u, v tap           d dilation   i, j output position

Shapes, for one group: w [m, k], columns [batch, k, positions], y [batch, m, positions] with m =
out_channels, k = in_channels · taps. With groups, each has its own rows of `columns` and its own
product. Cost: k multiply-adds per output, padding multiplied too, and an addition for the bias;
workspace for the padded input, for `columns`, up to `taps` times as large, and for the product.

Source: K. Chellapilla, S. Puri and P. Simard, High performance convolutional neural networks for
document processing, 2006; `torch.nn.functional.unfold` makes the same matrix;
docs/algorithms/im2col.md. It wins where a good matrix product is at hand and nothing else is. Do
not use it where memory is short, or for depthwise layers, whose products are only taps long.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.padding import pad, padded_note
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict


def supports(problem: ConvProblem) -> Verdict:
    """Return that every problem is supported: each window becomes a column."""
    return Verdict(True, "any problem: each window becomes a column")


def cost(problem: ConvProblem) -> Cost:
    """Every product, padding's too; the padded copy and the matrix of columns in memory."""
    padded_bytes = problem.padded_bytes if problem.is_padded else 0
    return Cost(
        multiplications=problem.macs,
        additions=problem.macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=padded_bytes + problem.im2col_bytes + problem.output_bytes,
        traffic_bytes=problem.input_bytes
        + problem.weight_bytes
        + 2 * padded_bytes
        + 3 * problem.im2col_bytes
        + 3 * problem.output_bytes,
        operations=8,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u: the product sums the definition's own terms, in another order."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Pad, unfold, multiply, view."""
    batch, groups, ndim = problem.batch, problem.groups, problem.ndim
    filters, taps = problem.gemm.m, problem.taps_per_output
    positions = prod(problem.output_size)

    padded = pad(problem, input)
    named: names.Names = ("batch", "in_channels", *names.sizes(problem))
    yield Step("padded", padded, named, padded_note(problem))

    windows = padded
    for number, axis in enumerate(problem.axes):
        windows = windows.unfold(2 + number, axis.extent, axis.stride)[..., :: axis.dilation]
    named = ("batch", "in_channels", *names.outputs(problem), *names.kernel(problem))
    yield Step("windows", windows, named, "a strided view, without copying")

    channel_taps_first = (0, 1, *range(2 + ndim, 2 + 2 * ndim), *range(2, 2 + ndim))
    columns = windows.permute(channel_taps_first).reshape(batch, groups * taps, positions)
    named = ("batch", "in_channels · taps", "positions")
    yield Step("columns", columns, named, "one window per column (copied)")

    rows = weight.reshape(groups, filters, taps)
    named = ("groups", "filters of a group", "channels of a group · taps")
    yield Step("rows", rows, named, "one filter per row: a view of the weight")

    product = rows @ columns.reshape(batch, groups, taps, positions)
    product = product.reshape(batch, problem.out_channels, positions)
    if bias is not None:
        product = product + bias[:, None]
    named = ("batch", "out_channels", "positions")
    yield Step("product", product, named, "the matrix product, plus the bias")

    output = product.reshape(problem.output_shape)
    yield Step("output", output, names.output(problem), "a view of the product")
