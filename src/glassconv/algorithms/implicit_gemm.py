"""implicit_gemm: im2col one tile at a time, so that the whole matrix is never stored.

A matrix product is computed in tiles anyway: a block of rows times a block of columns, small enough
for a cache. So nobody needs the whole im2col matrix at once. Lower just the columns of one tile,
multiply, and let the next tile take their place.

    columns[(c, u, v), t] = x[b, c, i·s + u·d − p, j·s + v·d − p]        t = (i, j) in the tile
    y[b, f, t] = bias[f] + Σ_(c,u,v) w[f, (c, u, v)] · columns[(c, u, v), t]

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                u, v tap                        d dilation   i, j output position

Shapes, for one group and image: w [m, k], a tile of columns [k, TILE], y [m, positions] with m =
out_channels and k = in_channels · taps. Cost: the definition's multiply-adds, padding's too, and an
addition for the bias; workspace for one tile of columns, for the table of pointers that it is
gathered through, 8 bytes per tap and position, and for the input with its zero pixel.

Source: S. Chetlur et al., cuDNN: efficient primitives for deep learning, 2014;
docs/algorithms/implicit_gemm.md. It wins on GPUs and wherever the tile stays in fast memory. Do not
use it where the matrix fits anyway: im2col's one large product has less to start.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod

import torch
from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.pointers import pointers, with_zero_pixel
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

TILE = 256  # output positions lowered together
POINTER_BYTES = 8


def supports(problem: ConvProblem) -> Verdict:
    """Everything: any product can be tiled."""
    return Verdict(True, "any problem: one matrix product, in tiles")


def cost(problem: ConvProblem) -> Cost:
    """Count every product, padding's too; one tile of columns and the pointers in memory."""
    taps, positions = prod(problem.kernel_size), prod(problem.output_size)
    tiles = ceil(positions / TILE)
    table_bytes = taps * positions * POINTER_BYTES
    tile_bytes = problem.im2col_bytes * min(TILE, positions) // positions
    return Cost(
        multiplications=problem.macs,
        additions=problem.macs + problem.bias * prod(problem.output_shape),
        workspace_bytes=problem.input_bytes + table_bytes + tile_bytes + problem.output_bytes,
        traffic_bytes=2 * problem.input_bytes
        + 2 * table_bytes
        + tiles * problem.weight_bytes
        + 3 * problem.im2col_bytes
        + 5 * problem.output_bytes,
        operations=5 + 3 * tiles,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """n·u: the definition's own terms; what the zero pixel adds is exact."""
    return sum_of_products_bound(problem.taps_per_output, problem.format)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Lower a tile, multiply it, take the next."""
    batch, groups, k = problem.batch, problem.groups, problem.taps_per_output
    table = pointers(problem, input)
    yield Step("pointers", table, ("taps", "positions"), "the pixel that each tap reads")

    pixels = with_zero_pixel(problem, input)
    rows = weight.reshape(groups, problem.gemm.m, k)
    tiles = []
    for start in range(0, table.shape[1], TILE):
        places = table[:, start : start + TILE]
        columns = pixels[..., places].reshape(batch, groups, k, places.shape[1])
        if start == 0:
            named = ("batch", "groups", "channels of a group · taps", "positions of the tile")
            yield Step("first tile", columns, named, "the next tile takes its place")
        tiles.append(rows @ columns)
    output = torch.cat(tiles, dim=-1).reshape(problem.output_shape)
    output = add_bias(problem, output, bias)
    yield Step("output", output, names.output(problem), "the tiles side by side, plus the bias")
