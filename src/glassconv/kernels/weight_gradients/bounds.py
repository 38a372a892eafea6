"""The error bounds of the weight gradient's kernels.

A bound is one of the convolution that equals the gradient (`problem/gradients.py`): its input is
the input with batch and channels exchanged, [channels, batch, height, width], and its weight the
output's gradient, [filters, batch, height, width].
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from glassconv.mathematics.decomposed import decomposed
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import gamma
from glassconv.problem.gradients import WeightGradient
from glassconv.reports.error_bound import (
    ErrorBound,
    Float64,
    gradual_underflow,
    sum_of_products_bound,
)

TILE, TAPS = 4, 3
ROUNDINGS = 64  # 24 in each transform of the input and of the sums, 16 in the output gradient's


def plain_sums(problem: ConvProblem) -> ErrorBound:
    """Return the bound of a kernel that sums plain products."""
    return sum_of_products_bound(
        WeightGradient(problem).convolution.taps_per_output, problem.format
    )


def winograd(problem: ConvProblem) -> ErrorBound:
    """Return the bound of the transposed F(4×4, 3×3).

    A term is rounded in the three transforms, and once for each tile of the sum.
    """
    tiles = problem.batch * prod(ceil(size / TILE) for size in problem.output_size)
    roundings, u = tiles + ROUNDINGS, problem.format.unit_roundoff
    return ErrorBound(
        max_factor=gamma(roundings, u),
        rms_factor=1.0,
        formula=f"n·u / (1 − n·u), n = {roundings:,}, u = {u:.3g}",
        underflow=gradual_underflow(roundings, problem.format),
        reference="|G|ᵀ [Σ (|A||g||A|ᵀ) ⊙ (|B|ᵀ|x||B|)] |G|",
        magnitude=_sum_of_transforms,
    )


def _sum_of_transforms(
    convolution: ConvProblem,
    input: npt.NDArray[Any],
    grad: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None,
) -> Float64:
    """Return |G|ᵀ [Σ_tile (|A||g||A|ᵀ) ⊙ (|B|ᵀ|x||B|)] |G|, [channels, filters, 3, 3]."""
    output, filter, transform = (
        np.abs(np.array(matrix, np.float64)) for matrix in decomposed(TILE, TAPS, 1)
    )
    channels, filters, size = len(input), len(grad), TILE + TAPS - 1
    rows, columns = (ceil(size / TILE) * TILE for size in convolution.kernel_size)
    (top, _), (left, _) = convolution.padding
    pixels = _placed(input, (top, left), (rows + TAPS - 1, columns + TAPS - 1))
    grads = _placed(grad, (0, 0), (rows, columns))
    products = np.zeros((size, size, channels, filters))
    for row in range(0, rows, TILE):
        for column in range(0, columns, TILE):
            tile = pixels[..., row : row + size, column : column + size]
            of_grad = grads[..., row : row + TILE, column : column + TILE]
            v = transform @ tile @ transform.T
            w = output.T @ of_grad @ output
            products += np.moveaxis(v, (2, 3), (0, 1)) @ np.moveaxis(w, (2, 3, 0, 1), (0, 1, 3, 2))
    return filter.T @ np.moveaxis(products, (0, 1), (2, 3)) @ filter


def _placed(images: npt.NDArray[Any], before: tuple[int, int], sizes: tuple[int, int]) -> Float64:
    """Return images that begin so far from the corner of planes of these sizes."""
    (top, left), (rows, columns) = before, sizes
    inside = images[..., : max(0, rows - top), : max(0, columns - left)]
    planes = np.zeros((*images.shape[:2], rows, columns))
    planes[..., top : top + inside.shape[2], left : left + inside.shape[3]] = inside
    return planes
