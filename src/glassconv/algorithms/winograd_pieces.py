"""winograd_pieces: a kernel with stride or of many taps as pieces of F(4, 2) and F(4, 3).

F(4, r) itself needs stride 1, and for many taps so many points that it loses its digits. But
outputs that are a stride s apart read every s-th tap at pixels s apart, which is a convolution of
stride 1; and a sum of many taps is a sum of sums of at most three. So cut the taps of each axis
into such pieces and compute each by its own F(4, t), all for the same four outputs. The sum over
pieces is part of the transform back: Aᵀ has their matrices side by side, G and Bᵀ one below the
other, and along each axis it is one algorithm again.

    y[b, f, tile] = Aᵀ [Σ_c (G w[f, c] Gᵀ) ⊙ (Bᵀ x[b, c, tile] B)] A + bias[f]

    b image in the batch    c input channel of f's group    tile 4 × 4 outputs, and their pixels
    f filter                ⊙ product element by element    A, B, G the matrices of all pieces

Shapes, along one axis of kernel size r and stride s, with n the elements of all pieces, t + 3 for t
taps: Aᵀ [4, n], G [n, r], Bᵀ [n, 3s + r]; where no piece has two taps, tiles are of one output.
Over all axes: transformed input [batch, in_channels, *tiles, *n], transformed filters
[out_channels, channels of a group, *n].

Cost, of 3×3 with stride 2 and each pair of a channel and a filter: pieces of 2 taps and 1 tap,
n = 5 + 4, so 81 multiplications for 16 outputs instead of 144; of 5×5 with stride 1, 3 and 2 taps,
n = 6 + 5, 121 instead of 400; beside them for stride 2 198 additions and 198 multiplications by
constants for each tile of an input channel and 182 and 117 for each tile of an output channel;
workspace for the transformed input and the products, of 81 elements for 16 outputs each, twice.

Source: D. Huang et al., DWM: a decomposable Winograd method for convolution acceleration, 2020;
docs/algorithms/winograd_pieces.md. It halves the products of strides of 2, which no other transform
here takes, and has smaller errors than winograd4 where kernels are of 5 taps or more; it pays where
many channels and filters share the transforms. Do not use it for depthwise layers, or where a
stride is as large as its kernel: no piece has two taps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from glassconv.algorithms.parts import winograd, winograd_bound, winograd_cost
from glassconv.mathematics.cook_toom import Transforms
from glassconv.mathematics.decomposed import decomposed, pieces
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.size_text import by_x
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

OUTPUTS = 4  # of a tile, along each axis
MOST_TAPS = 7  # of a kernel, along each axis; the fast Fourier transform serves larger ones

# By kernel size, what one axis multiplies PyTorch's own rms error by. Measured in float32 on normal
# data as for winograd4, with strides 1 and 2; rounded up. Up to 3 taps may be a single piece along
# one axis of several: winograd4's figures.
GROWTH = {1: 1.0, 2: 2.0, 3: 2.0, 4: 1.7, 5: 1.6, 6: 1.5, 7: 1.4}


@dataclass(frozen=True)
class Pieces:
    """The matrices of an axis's pieces.

    outputs: of a tile along an axis, one where no piece has two taps.
    """

    outputs: int

    def __call__(self, axis: Axis) -> Transforms:
        """Return Aᵀ, G and Bᵀ along an axis."""
        saves = axis.kernel_size > axis.stride
        return decomposed(self.outputs if saves else 1, axis.kernel_size, axis.stride)


def supports(problem: ConvProblem) -> Verdict:
    """Dilation 1, kernel sizes up to 7, of more than one piece, of which one has two taps."""
    kernel, stride = by_x(problem.kernel_size), by_x(problem.stride)
    if set(problem.dilation) != {1}:
        return Verdict(False, f"needs dilation 1, got {by_x(problem.dilation)}")
    if max(problem.kernel_size) > MOST_TAPS:
        return Verdict(False, f"needs kernel sizes up to {MOST_TAPS}, got {kernel}")
    if not any(axis.kernel_size > axis.stride for axis in problem.axes):
        reason = f"needs a kernel larger than its stride, got {kernel} and stride {stride}"
        return Verdict(False, reason)
    if all(len(pieces(axis.kernel_size, axis.stride)) == 1 for axis in problem.axes):
        return Verdict(False, f"a kernel of {kernel} is one piece")
    return Verdict(True, f"pieces of F({OUTPUTS}, 3) and less give {kernel} and stride {stride}")


def cost(problem: ConvProblem) -> Cost:
    """Count products and transforms, the filters' too, and the transformed arrays in memory."""
    return winograd_cost.cost(problem, Pieces(OUTPUTS))


def error_bound(problem: ConvProblem) -> ErrorBound:
    """K·n·u against max|w| Σ|x| + |b|: proven for each output by its own window."""
    return winograd_bound.error_bound(problem, Pieces(OUTPUTS), GROWTH)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Cut tiles, transform, multiply element by element, transform back."""
    return winograd.steps(problem, Pieces(OUTPUTS), input, weight, bias)
