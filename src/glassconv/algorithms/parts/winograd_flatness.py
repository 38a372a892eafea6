"""Which tiles are flat: those whose outputs Winograd's transforms keep within their bound.

By its own steps, an output i of a tile is off by at most max|w| · Σ_l R_il X_l, where

    X_l = Σ_c |x_cl|                      of every pixel l of the tile, summed over channels
    R_il = Σ_j |A_ij| (γ_N û_j + ε g_j) |B_jl|
    û_j = max_f,c |(G w_fc)_j| / max|w_f|,   g_j = Σ_k |G_jk|,   ε the error of G w

and its bound is K · n · u · max|w| · Σ_l X_l over the pixels of its window. Its slack is therefore
max|w| · Σ_l S_il X_l with S_il = [l in window i] − R_il / (K · n · u), times K · n · u, and a tile
is flat if no output's slack is negative. One matrix S, known with the weight, tells it from X: a
large pixel makes negative the slack of outputs that its error reaches and that do not read it.

Underflow is kept out by scales (winograd_scale.py), also from the test: S is divided by u, and its
entries are smaller by u, which is more than their products with X may lose. Overflow is kept out by
`most`, which the sum of X must not exceed; it refuses NaN and infinity, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from glassconv.algorithms.parts.winograd_bound import (
    error_of_filters,
    error_of_products,
    lost_by_transform,
    window_factor,
)
from glassconv.algorithms.parts.winograd_scale import scales_of_largest
from glassconv.algorithms.parts.winograd_transforms import Outputs, absolute, transforms_of
from glassconv.mathematics.cook_toom import Matrix, Transforms
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.dtypes import gamma
from glassconv.reports.error_bound import Float64

A = TypeVar("A", Float64, Tensor)


@dataclass(frozen=True)
class Flatness(Generic[A]):
    """The test for the tiles of one weight; its numbers are float64.

    A tile is flat if S X ≥ 0 and ΣX ≤ most; none is where `most` is negative.
    """

    slack: A  # S / u [outputs of a tile, pixels of a tile]
    most: A


def flatness(
    problem: ConvProblem, outputs: Outputs, weight: Tensor, filters: Tensor
) -> Flatness[Tensor]:
    """Return the test for a weight.

    filters: its transform, scaled and rounded, as the products use it.
    """
    weight, filters = weight.detach().double().abs(), filters.detach().double().abs()
    largest = weight.flatten(1).amax(1), filters.flatten(2).amax(1)
    return _flatness(torch, problem, _tensors(_known(problem, outputs), weight.device), *largest)


def flatness_of_largest(
    problem: ConvProblem, outputs: Outputs, largest: Float64, largest_elements: Float64
) -> Flatness[Float64]:
    """Return the test for a weight from its largest numbers without their sign.

    largest: of each filter [filters], not scaled. largest_elements: of each element of the
    transformed filter, as it is scaled [filters, elements of a tile].
    """
    with np.errstate(all="ignore"):  # a weight that is not finite, or nearly so
        return _flatness(np, problem, _known(problem, outputs), largest, largest_elements)


def _flatness(
    arrays: Any, problem: ConvProblem, known: _Known[A], largest: A, largest_elements: A
) -> Flatness[A]:
    """Return the test. arrays: torch, or NumPy, whose operations take less time to call."""
    format, u = problem.format, problem.format.unit_roundoff
    largest = largest * scales_of_largest(arrays, largest, format)
    sizes = arrays.amax(largest_elements / largest[:, None].clip(min=format.tiny), 0)  # û
    errors = known.error_of_products * sizes + known.errors_of_filters
    slack = known.windows - (known.output * (known.scale * errors)) @ known.input
    slack = slack - u * (slack != 0)

    through = (known.output @ sizes).max()  # from a transformed input to an output
    grows = arrays.maximum(through, sizes.max()) * largest.max()
    grows = arrays.maximum(known.most_of_input * grows.clip(min=1), abs(slack).max())
    most = format.largest * u / (4 * grows.clip(min=1))  # of pixels that are scaled by 1/u
    return Flatness(slack / u, arrays.where(arrays.isfinite(grows), most, -1.0))


@dataclass(frozen=True)
class _Known(Generic[A]):
    """What the test of a problem's tiles is made of, beside the weight's numbers."""

    output: A  # |A| [outputs of a tile, elements]
    windows: A  # [outputs, pixels]: 1 where an output reads a pixel, less the margin
    input: A  # |B| [elements, pixels]
    scale: float  # 1 / (K · n · u), plus the margin
    error_of_products: float  # γ_N
    errors_of_filters: A  # ε g, and what underflow loses of a filter, relative to N/u [elements]
    most_of_input: float  # the largest of |B|


@lru_cache(maxsize=256)
def _known(problem: ConvProblem, outputs: Outputs) -> _Known[Float64]:
    """Return what is known before the weight."""
    transforms, format = transforms_of(problem, outputs), problem.format
    u, channels = format.unit_roundoff, problem.weight_shape[1]
    a, g, b = (_nested([absolute(each[part]) for each in transforms]) for part in range(3))
    allowed = window_factor(problem, outputs) * (problem.taps_per_output + 1) * u
    # X and its product with S are computed in the element type.
    margin = gamma(channels + b.shape[1] + 8, u)
    lost = lost_by_transform(tuple(each.filter for each in transforms), format.tiny)
    lost_by_filters = (lost + format.tiny / 2) * u / format.smallest_normal
    return _Known(
        output=a,
        windows=_nested(list(map(_windows, problem.axes, transforms))) * (1 - margin),
        input=b,
        scale=(1 + margin) / allowed,
        error_of_products=error_of_products(problem, outputs),
        errors_of_filters=error_of_filters(problem) * g.sum(1) + lost_by_filters,
        most_of_input=float(b.max()),
    )


def _tensors(known: _Known[Float64], device: torch.device) -> _Known[Tensor]:
    """Return the same with tensors as its arrays."""

    def tensor(array: Float64) -> Tensor:
        return torch.from_numpy(array).to(device)

    return _Known(
        output=tensor(known.output),
        windows=tensor(known.windows),
        input=tensor(known.input),
        scale=known.scale,
        error_of_products=known.error_of_products,
        errors_of_filters=tensor(known.errors_of_filters),
        most_of_input=known.most_of_input,
    )


def flat_tiles(problem: ConvProblem, test: Flatness[Tensor], tiles: Tensor) -> Tensor:
    """Return which tiles [batch, in_channels, *tiles, *pixels] are flat: [batch, groups, *tiles].

    The outputs past the output's end do not count.
    """
    ndim, grid = problem.ndim, tiles.shape[2 : 2 + problem.ndim]
    inside = [
        (size - axis.extent) // axis.stride + 1
        for size, axis in zip(tiles.shape[2 + ndim :], problem.axes, strict=True)
    ]
    shape = problem.batch, problem.groups, problem.weight_shape[1], *tiles.shape[2:]
    pixels = tiles.detach().double().abs().reshape(shape).sum(2).flatten(2 + ndim)  # X
    past = torch.zeros(*grid, *inside, dtype=torch.bool, device=tiles.device)
    for axis, size in enumerate(problem.output_size):
        places = torch.arange(grid[axis] * inside[axis], device=tiles.device)
        along = [1] * 2 * ndim
        along[axis], along[ndim + axis] = grid[axis], inside[axis]
        past = past | (places >= size).reshape(along)
    enough = (pixels @ test.slack.T >= 0) | past.flatten(ndim)
    flat: Tensor = (pixels.sum(-1) <= test.most) & enough.all(-1)
    return flat


def _nested(matrices: Sequence[Matrix]) -> Float64:
    """Return the Kronecker product of one matrix for each axis."""
    whole: Float64 = np.ones((1, 1))
    for matrix in matrices:
        whole = np.asarray(np.kron(whole, np.array(matrix, np.float64)), np.float64)
    return whole


def _windows(axis: Axis, transforms: Transforms) -> Matrix:
    """Return 1 where an output [outputs] of a tile reads a pixel [pixels], along an axis."""
    starts = [output * axis.stride for output in range(len(transforms.output))]
    pixels = range(len(transforms.input[0]))
    return tuple(
        tuple(Fraction(start <= pixel < start + axis.extent) for pixel in pixels)
        for start in starts
    )
