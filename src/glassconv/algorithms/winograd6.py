"""winograd6: tiles of six outputs an axis, transformed so that F(6, 3) multiplies 8 times, not 18.

The largest tile that is worth having: eight elements an axis, and a 3×3 layer multiplies a fifth as
often. Its seven numbers, 0, ±1, ±1/2 and ±2, are powers of two, whose powers round nothing, but
these reach from 1/32 to 32: large intermediate values that cancel in the end. Ten elements would
save another eighth of the products and lose two more digits, so there is no larger tile.

    y[b, f, tile] = Aᵀ [Σ_c (G w[f, c] Gᵀ) ⊙ (Bᵀ x[b, c, tile] B)] A + bias[f]

    b image in the batch    c input channel of f's group    tile 8 × 8 pixels, 6 × 6 outputs
    f filter                ⊙ product element by element    A, B, G the points' matrices

Shapes, along one axis of kernel size r, with n = r + 5: Aᵀ [6, n], G [n, r], Bᵀ [n, n]; an axis of
size 1 gets [1]. Over all axes: transformed input [batch, in_channels, *tiles, *n], transformed
filters [out_channels, channels of a group, *n].

Cost, for 3×3 and each pair of a channel and a filter: 64 multiplications for 36 outputs instead of
324; beside them 576 additions and 448 multiplications by constants for each tile of an input
channel and 448 and 280 for each tile of an output channel; workspace for the transformed input and
the products, 1.78 × the input each, twice.

Source: the family is S. Winograd's, Arithmetic complexity of computations, 1980; B. Barabasz et
al., Error analysis and improving the accuracy of Winograd convolution for deep neural networks,
2020, measure what it loses; docs/algorithms/winograd.md. It saves most of the three and wins where
digits do not count. Do not use it for anything else: with 3×3 kernels its rms error is up to
sixteen times PyTorch's, and it needs large images to fill its tiles.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from glassconv.algorithms.parts import winograd, winograd_bound, winograd_cost
from glassconv.problem import ConvProblem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

OUTPUTS = 6  # of a tile, along each axis

# By kernel size, what one axis multiplies PyTorch's own rms error by. Measured in float32 on normal
# data: the largest, axes taken apart by a root, over 64x784 64@r, 3x32x32 64@rxr, 64x28x28 64@rxr,
# 128x28x28 32@rxr, 256x14x14 64@rxr, 512x7x7 64@rxr and 16x12x12x12 16@rxrxr; rounded up. The
# fewer the channels the larger: 3 channels set every figure.
GROWTH = {1: 1.0, 2: 4.3, 3: 4.1}


def supports(problem: ConvProblem) -> Verdict:
    """Stride 1, dilation 1, kernel sizes up to 3."""
    return winograd.supports(problem, OUTPUTS)


def cost(problem: ConvProblem) -> Cost:
    """Count products and transforms, the filters' too, and the transformed arrays in memory."""
    return winograd_cost.cost(problem, OUTPUTS)


def error_bound(problem: ConvProblem) -> ErrorBound:
    """K·n·u against max|w| Σ|x| + |b|: proven for each output by its own window."""
    return winograd_bound.error_bound(problem, OUTPUTS, GROWTH)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Cut tiles, transform, multiply element by element, transform back."""
    return winograd.steps(problem, OUTPUTS, input, weight, bias)
