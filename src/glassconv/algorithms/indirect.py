"""indirect: read the input through a table of pointers instead of copying windows.

im2col's matrix holds every pixel many times over, but which pixel goes where depends on the shapes
alone. So write down the places instead of the pixels: for every output position and tap, a pointer,
and for padding a pointer to one pixel that is zero. The table is made once per shape and shared by
all images and channels; the product then reads through it.

    table[(u, v), (i, j)] = the pixel (i·s + u·d − p, j·s + v·d − p), or the zero pixel outside
    y[b, f, (i, j)] = bias[f] + Σ_(u,v) Σ_c w[f, c, u, v] · x[b, c, table[(u, v), (i, j)]]

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                u, v tap                        d dilation   i, j output position

Shapes: table [taps, positions] of whole numbers, x [in_channels, pixels + 1], y [out_channels,
positions]. Cost: the definition's multiply-adds, padding's too, and an addition per tap and output;
workspace for the table, 8 bytes per tap and position but none per channel, for the input with its
zero pixel, and for the pixels of one tap at a time.

Source: M. Dukhan, The indirect convolution algorithm, 2019 (QNNPACK, XNNPACK);
docs/algorithms/indirect.md. It wins where channels are many and lie next to each other in memory.
Do not use it with few channels: then the table is as large as what it saves.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.pointers import pointers, with_zero_pixel
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

POINTER_BYTES = 8


def supports(problem: ConvProblem) -> Verdict:
    """Everything: any place can be written down."""
    return Verdict(True, "any problem: windows are read through pointers")


def cost(problem: ConvProblem) -> Cost:
    """Count every product, padding's too, and the table in memory."""
    taps, positions = prod(problem.kernel_size), prod(problem.output_size)
    table_bytes = taps * positions * POINTER_BYTES
    tap_bytes = problem.im2col_bytes // taps
    return Cost(
        multiplications=problem.macs,
        additions=problem.macs + (taps + problem.bias) * prod(problem.output_shape),
        workspace_bytes=problem.input_bytes + table_bytes + tap_bytes + problem.output_bytes,
        traffic_bytes=2 * problem.input_bytes
        + 2 * table_bytes
        + problem.weight_bytes
        + 3 * problem.im2col_bytes
        + 4 * taps * problem.output_bytes,
        operations=4 + 3 * taps,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u: the definition's own terms; what the zero pixel adds is exact."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Point, then multiply what is pointed to."""
    batch, groups, filters = problem.batch, problem.groups, problem.gemm.m
    table = pointers(problem, input)
    yield Step("pointers", table, ("taps", "positions"), "the pixel that each tap reads")

    pixels = with_zero_pixel(problem, input)
    named = ("batch", "groups", "channels of a group", "pixels, and the zero pixel")
    yield Step("pixels", pixels, named, "the input, and one zero for all of the padding")

    kernels = weight.reshape(groups, filters, problem.weight_shape[1], len(table))
    output = pixels.new_zeros(batch, groups, filters, table.shape[1])
    for tap, places in enumerate(table):
        output = output + kernels[..., tap] @ pixels[..., places]
    output = add_bias(problem, output.reshape(problem.output_shape), bias)
    yield Step("output", output, names.output(problem), "each tap's product, added up")
