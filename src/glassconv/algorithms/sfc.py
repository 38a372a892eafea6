"""sfc: tiles of six outputs an axis, by Fourier transforms of six points over whole numbers.

SFC is symbolic Fourier convolution. Winograd's tiles of many outputs lose digits, since powers of
their points are large. Roots of one have no large powers, but are not rational. The sixth root s is
nearly: s² = s − 1, so its powers are a + b·s with a and b of 0 and ±1. Leave s a symbol, and the
transform of six pixels is additions only. A product of two pairs (a, b) takes three products. What
six points cannot hold, as a window of more pixels wraps round, is corrected with a product for each
tap.

    y[b, f, tile] = Aᵀ [Σ_c (G w[f, c] Gᵀ) ⊙ (Bᵀ x[b, c, tile] B)] A + bias[f]

    b image in the batch    c input channel of f's group    tile 6 × 6 outputs, and their pixels
    f filter                ⊙ product element by element    A, B, G transforms and corrections

Shapes, along one axis of kernel size r, with n = 8 and the corrections, ⌊r² / 4⌋: Aᵀ [6, n],
G [n, r], Bᵀ [n, r + 5]; an axis of size 1 gets [1]. Over all axes: transformed input [batch,
in_channels, *tiles, *n], transformed filters [out_channels, channels of a group, *n].

Cost, for 3×3 and each pair of a channel and a filter: 100 multiplications for 36 outputs instead of
324; beside them 540 additions for each tile of an input channel and 704 additions and 192 doublings
for each tile of an output channel; workspace for the transformed input and the products, 2.8 × the
input each, twice.

Source: L. He et al., SFC: achieve accurate fast convolution under low-precision arithmetic, 2024;
docs/algorithms/sfc.md derives the matrices. It has winograd2's errors with fewer products, for
formats in which a product costs much more than an addition. Do not use it for depthwise layers, or
where winograd4's error is small enough: that multiplies and adds less.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from glassconv.algorithms.parts import winograd, winograd_bound, winograd_cost
from glassconv.mathematics.cook_toom import Transforms, cook_toom
from glassconv.mathematics.symbolic_fourier import symbolic_fourier
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.size_text import by_x
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

MOST_TAPS = 5  # of a kernel, along each axis; more need as many corrections as they save products

# By kernel size, what one axis multiplies PyTorch's own rms error by. Measured in float32 on normal
# data as for winograd2; rounded up.
GROWTH = {1: 1.0, 2: 1.4, 3: 1.2, 4: 1.1, 5: 1.0}


def supports(problem: ConvProblem) -> Verdict:
    """Stride 1, dilation 1, kernel sizes up to 5."""
    kernel = by_x(problem.kernel_size)
    if set(problem.stride) != {1}:
        return Verdict(False, f"needs stride 1, got {by_x(problem.stride)}")
    if set(problem.dilation) != {1}:
        return Verdict(False, f"needs dilation 1, got {by_x(problem.dilation)}")
    if set(problem.kernel_size) == {1}:
        return Verdict(False, f"needs a kernel of more than one tap, got {kernel}")
    if max(problem.kernel_size) > MOST_TAPS:
        return Verdict(False, f"needs kernel sizes up to {MOST_TAPS}, got {kernel}")
    return Verdict(True, f"six points and corrections give a kernel of {kernel}")


def cost(problem: ConvProblem) -> Cost:
    """Count products and transforms, the filters' too, and the transformed arrays in memory."""
    return winograd_cost.cost(problem, transforms_along)


def error_bound(problem: ConvProblem) -> ErrorBound:
    """K·n·u against max|w| Σ|x| + |b|: proven for each output by its own window."""
    return winograd_bound.error_bound(problem, transforms_along, GROWTH)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Cut tiles, transform, multiply element by element, transform back."""
    return winograd.steps(problem, transforms_along, input, weight, bias)


def transforms_along(axis: Axis) -> Transforms:
    """Return the matrices of six outputs along an axis, of one output where it has one tap."""
    return symbolic_fourier(axis.kernel_size) if axis.kernel_size > 1 else cook_toom(1, 1)
