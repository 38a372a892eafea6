"""Which tiles are flat: those whose outputs Winograd's transforms keep within their bound.

By its own steps, an output i of a tile is off by at most max|w| · Σ_l R_il X_l, where

    X_l = Σ_c |x_cl|                      of every pixel l of the tile, summed over channels
    R_il = Σ_j |A_ij| (γ_N û_j + ε g_j) |B_jl|
    û_j = max_f,c |(G w_fc)_j| / max|w_f|,   g_j = Σ_k |G_jk|,   ε the error of G w

and its bound is K · n · u · max|w| · Σ_l X_l over the pixels of its window. Its slack is therefore
max|w| · Σ_l S_il X_l with S_il = [l in window i] − R_il / (K · n · u), times K · n · u, and a tile
is flat if no output's slack is negative. One matrix S, known with the weight, tells it from X: a
large pixel makes negative the slack of outputs that its error reaches and that do not read it.

Two more numbers keep underflow and overflow out: `least`, which the slack must reach, and `most`,
which the sum of X must not exceed; it refuses NaN and infinity, too. A tile of zeros is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from glassconv.algorithms.parts.winograd_bound import (
    error_of_filters,
    error_of_products,
    lost_by_transform,
    window_factor,
)
from glassconv.algorithms.parts.winograd_transforms import absolute, transforms_of
from glassconv.mathematics.cook_toom import Matrix, Transforms
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import gamma


@dataclass(frozen=True)
class Flatness:
    """The test for the tiles of one weight; its numbers are float64.

    A tile is flat if ΣX is 0, or if ΣX ≤ most and S X ≥ least; none is where `most` is negative.
    """

    slack: Tensor  # S [outputs of a tile, elements of a tile]
    least: Tensor
    most: Tensor


def flatness(problem: ConvProblem, outputs: int, weight: Tensor, filters: Tensor) -> Flatness:
    """Return the test for a weight; filters: its transform, rounded, as the products use it."""
    transforms, format = transforms_of(problem, outputs), problem.format
    u, channels = format.unit_roundoff, problem.weight_shape[1]
    weight, filters = weight.detach().double().abs(), filters.detach().double().abs()
    largest = weight.flatten(1).amax(1)  # of each filter
    relative = filters.flatten(2).amax(1) / torch.where(largest > 0, largest, 1)[:, None]
    a, g, b = (
        _nested([absolute(each[part]) for each in transforms], weight.device) for part in range(3)
    )

    sizes = relative.amax(0)  # û
    errors = error_of_products(problem, outputs) * sizes
    errors = errors + error_of_filters(problem) * g.sum(1) + u**2  # u²: a rounding that underflows
    allowed = window_factor(problem, outputs) * (problem.taps_per_output + 1) * u
    reach = a @ (errors[:, None] * b) / allowed
    # X and its product with S are computed in the element type.
    margin = gamma(channels + b.shape[1] + 8, u)
    windows = _nested([_windows(each) for each in transforms], weight.device)
    slack = windows * (1 - margin) - reach * (1 + margin)

    through = (a @ sizes).max()  # from a transformed input to an output
    lost = lost_by_transform(tuple(each.input for each in transforms), format.tiny)
    least = 2 * channels * lost * through / allowed
    grows = torch.maximum(through, sizes.max()) * largest.max()
    grows = torch.stack([b.max() * grows.clamp(min=1), slack.abs().max()]).max()
    most = format.largest / (4 * grows.clamp(min=1))
    too_small = ((largest > 0) & (largest < format.smallest_normal / u)).any()
    most = torch.where(grows.isfinite() & ~too_small, most, -1.0)
    return Flatness(slack, least, most)


def flat_tiles(problem: ConvProblem, test: Flatness, tiles: Tensor) -> Tensor:
    """Return which tiles [batch, in_channels, *tiles, *elements] are flat: [batch, groups, *tiles].

    The outputs past the output's end do not count.
    """
    ndim, grid = problem.ndim, tiles.shape[2 : 2 + problem.ndim]
    inside = [n - r + 1 for n, r in zip(tiles.shape[2 + ndim :], problem.kernel_size, strict=True)]
    shape = problem.batch, problem.groups, problem.weight_shape[1], *tiles.shape[2:]
    pixels = tiles.detach().double().abs().reshape(shape).sum(2).flatten(2 + ndim)  # X
    total = pixels.sum(-1)
    past = torch.zeros(*grid, *inside, dtype=torch.bool, device=tiles.device)
    for axis, size in enumerate(problem.output_size):
        places = torch.arange(grid[axis] * inside[axis], device=tiles.device)
        along = [1] * 2 * ndim
        along[axis], along[ndim + axis] = grid[axis], inside[axis]
        past = past | (places >= size).reshape(along)
    enough = (pixels @ test.slack.T >= test.least) | past.flatten(ndim)
    flat: Tensor = (total == 0) & (test.most >= 0) | (total <= test.most) & enough.all(-1)
    return flat


def _nested(matrices: Sequence[Matrix], device: torch.device) -> Tensor:
    """Return the Kronecker product of one matrix for each axis."""
    whole = torch.ones(1, 1, dtype=torch.float64, device=device)
    for matrix in matrices:
        rows = [[float(entry) for entry in row] for row in matrix]
        whole = torch.kron(whole, torch.tensor(rows, dtype=torch.float64, device=device))
    return whole


def _windows(transforms: Transforms) -> Matrix:
    """Return 1 where an output [outputs] of a tile reads an element [elements], along an axis."""
    outputs, elements = len(transforms.output), len(transforms.input)
    r = elements - outputs + 1
    return tuple(
        tuple(Fraction(i <= element < i + r) for element in range(elements)) for i in range(outputs)
    )
