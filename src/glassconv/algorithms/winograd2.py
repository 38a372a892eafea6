"""winograd2: tiles of two outputs an axis, transformed so that F(2, 3) multiplies 4 times, not 6.

Two neighbouring outputs of three taps share two of their pixels. Six products become four: each is
a sum or difference of pixels times a sum or difference of weights, and the outputs are sums of
them. On an input this is done along one axis and then along the other, and the savings multiply.

    m1 = (d0 − d2) · g0                      m3 = (d2 − d1) · (g0 − g1 + g2) / 2
    m2 = (d1 + d2) · (g0 + g1 + g2) / 2      m4 = (d1 − d3) · g2
    y0 = m1 + m2 + m3 = g0·d0 + g1·d1 + g2·d2        y1 = m2 − m3 − m4 = g0·d1 + g1·d2 + g2·d3

    y[b, f, tile] = Aᵀ [Σ_c (G w[f, c] Gᵀ) ⊙ (Bᵀ x[b, c, tile] B)] A + bias[f]

    d pixels, g weights, y outputs of one axis    b image in the batch    f filter
    A, B, G the sums above as matrices            c input channel of f's group
    tile 4 × 4 pixels, 2 × 2 outputs              ⊙ product element by element

Shapes, along one axis of kernel size r, with n = r + 1: Aᵀ [2, n], G [n, r], Bᵀ [n, n]; an axis of
size 1 gets [1]. Over all axes: transformed input [batch, in_channels, *tiles, *n], transformed
filters [out_channels, channels of a group, *n].

Cost, for 3×3 and each pair of a channel and a filter: 16 multiplications for 4 outputs instead of
36; beside them 32 additions for each tile of an input channel and 24 for each tile of an output
channel, and no multiplication by a constant; workspace for the transformed input and the products,
4 × the input each, twice.

Source: S. Winograd, Arithmetic complexity of computations, 1980; A. Lavin and S. Gray, Fast
algorithms for convolutional neural networks, 2016. docs/algorithms/winograd.md derives the
matrices. It wins over a plain sum where channels are many, and as all of its constants are 0, ±1
and ½ it loses hardly a digit; winograd4 saves more. Do not use it for
depthwise layers, where transforms cost more than they save.
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

OUTPUTS = 2  # of a tile, along each axis

# By kernel size, what one axis multiplies PyTorch's own rms error by. Measured in float32 on normal
# data: the largest, axes taken apart by a root, over 64x784 64@r, 3x32x32 64@rxr, 64x28x28 64@rxr,
# 128x28x28 32@rxr, 256x14x14 64@rxr, 512x7x7 64@rxr and 16x12x12x12 16@rxrxr; rounded up. The
# fewer the channels the larger: 3 channels set every figure.
GROWTH = {1: 1.0, 2: 1.3, 3: 1.1, 4: 1.3, 5: 1.3, 6: 2.2, 7: 2.3}


def supports(problem: ConvProblem) -> Verdict:
    """Stride 1, dilation 1, kernel sizes up to 7."""
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
