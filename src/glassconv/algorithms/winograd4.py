"""winograd4: tiles of four outputs an axis, transformed so that F(4, 3) multiplies 6 times, not 12.

Twice as large a tile as winograd2's shares more, and multiplies a quarter as often as the
definition. It takes five numbers and infinity to evaluate the polynomials at, and no five numbers
are as harmless as 0 and ±1: their powers grow, or shrink, and digits go with them. Zero, ±3/4 and
±3/2 lose the fewest; quarters, so that Aᵀ and Bᵀ are exact in float32.

    y[b, f, tile] = Aᵀ [Σ_c (G w[f, c] Gᵀ) ⊙ (Bᵀ x[b, c, tile] B)] A + bias[f]

    b image in the batch    c input channel of f's group    tile 6 × 6 pixels, 4 × 4 outputs
    f filter                ⊙ product element by element    A, B, G the points' matrices

Shapes, along one axis of kernel size r, with n = r + 3: Aᵀ [4, n], G [n, r], Bᵀ [n, n]; an axis of
size 1 gets [1]. Over all axes: transformed input [batch, in_channels, *tiles, *n], transformed
filters [out_channels, channels of a group, *n].

Cost, for 3×3 and each pair of a channel and a filter: 36 multiplications for 16 outputs instead of
144; beside them 192 additions and 192 multiplications by constants for each tile of an input
channel and 140 and 120 for each tile of an output channel; workspace for the transformed input and
the products, 2.25 × the input each, twice.

Source: A. Lavin and S. Gray, Fast algorithms for convolutional neural networks, 2016, with points
of their own; B. Barabasz et al., Error analysis and improving the accuracy of Winograd convolution
for deep neural networks, 2020, for how to choose them; docs/algorithms/winograd.md. It wins on 3×3
layers with many channels and images of many tiles. Do not use it for depthwise layers, or where
every digit counts: its rms error is up to four times PyTorch's.
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

OUTPUTS = 4  # of a tile, along each axis

# By kernel size, what one axis multiplies PyTorch's own rms error by. Measured in float32 on normal
# data: the largest, axes taken apart by a root, over 64x784 64@r, 3x32x32 64@rxr, 64x28x28 64@rxr,
# 128x28x28 32@rxr, 256x14x14 64@rxr, 512x7x7 64@rxr and 16x12x12x12 16@rxrxr; rounded up. The
# fewer the channels the larger: 3 channels set every figure.
GROWTH = {1: 1.0, 2: 2.0, 3: 2.0, 4: 2.5, 5: 2.5}


def supports(problem: ConvProblem) -> Verdict:
    """Stride 1, dilation 1, kernel sizes up to 5."""
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
