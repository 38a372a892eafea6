"""Spectra: what the algorithms that convolve by Fourier transforms share, their error included.

Circular correlation of N points is a product of spectra, and a product touches nothing but itself:

    X[k] = Σ_i x[i] · ω^(k·i)        ω = exp(−2π√−1 / N), one such sum per spatial axis
    y[i] = Σ_u w[u] · x[(i + u) mod N]    ⇔    Y[k] = X[k] · conj(W[k])

Every length is a power of two, so that a transform is log₂ N equal levels of butterflies and the
error bound of each level is known; docs/algorithms/fft.md has the proof of what is used here.
"""

from __future__ import annotations

from math import log2, prod, sqrt

import numpy as np
import torch
from torch import Tensor

from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import gamma
from glassconv.reports.array import Array
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import Float64

Lengths = tuple[int, ...]  # points of a transform along each spatial axis
TWIDDLE_ROUNDINGS = 2  # μ / u: a table of exp(…) rounded correctly has 1; assumed of PyTorch's: 2


def power_of_two(least: int) -> int:
    """Return the first power of two that is no smaller.

    >>> [power_of_two(least) for least in (1, 2, 3, 32, 33)]
    [1, 2, 4, 32, 64]
    """
    return 1 << (least - 1).bit_length()


def dilated(problem: ConvProblem, weight: Tensor) -> Tensor:
    """Return the filters [groups, filters, channels, *extent], zeros in the holes of dilation."""
    groups, filters, channels = problem.groups, problem.gemm.m, problem.weight_shape[1]
    spread = weight.new_zeros(groups, filters, channels, *problem.receptive_field)
    taps = tuple(slice(None, None, dilation) for dilation in problem.dilation)
    spread[(slice(None),) * 3 + taps] = weight.reshape(
        groups, filters, channels, *problem.kernel_size
    )
    return spread


def spectrum(array: Tensor, lengths: Lengths) -> Tensor:
    """Return the transform of the last axes, followed by zeros up to these lengths.

    The spectrum of real numbers is symmetric: of the last axis only length / 2 + 1 are kept.
    """
    transformed: Tensor = torch.fft.rfftn(
        _filled(array), s=lengths, dim=tuple(range(-len(lengths), 0))
    )
    return transformed[: len(array)]


def correlation(product: Tensor, lengths: Lengths) -> Tensor:
    """Return the real numbers whose spectrum this is."""
    numbers: Tensor = torch.fft.irfftn(
        _filled(product), s=lengths, dim=tuple(range(-len(lengths), 0))
    )
    return numbers[: len(product)]


def _filled(array: Tensor) -> Tensor:
    """Return the array, or one of zeros in place of an empty batch, which MKL refuses."""
    return array if len(array) else torch.cat([array, array.new_zeros(1, *array.shape[1:])])


def mixed(images: Tensor, filters: Tensor) -> Tensor:
    """Return Σ_c images[b, g, c, …] · conj(filters[g, f, c, …]), shape [b, g, f, …]."""
    return torch.einsum("bgc...,gfc...->bgf...", images, filters.conj())


def mixed_blocks(blocks: Tensor, filters: Tensor) -> Tensor:
    """Return Σ_c blocks[b, g, c, q…, k…] · conj(filters[g, f, c, k…]), shape [b, g, f, q…, k…].

    It is one matrix product for each frequency k, of as many rows as there are blocks.
    """
    if filters.shape[2] == 1:
        numbers = blocks.ndim - filters.ndim  # axes of blocks
        return blocks * filters.conj()[(slice(None),) * 2 + (0,) + (None,) * numbers]
    batch, groups, channels = blocks.shape[:3]
    frequencies = filters.shape[3:]
    grid = blocks.shape[3 : blocks.ndim - len(frequencies)]
    rows = blocks.reshape(batch, groups, channels, prod(grid), prod(frequencies))
    rows = rows.permute(1, 4, 0, 3, 2).flatten(2, 3)
    columns = filters.flatten(3).permute(0, 3, 2, 1).conj()
    number = filters.shape[1]
    products = (rows @ columns).reshape(groups, prod(frequencies), batch, prod(grid), number)
    return products.permute(2, 0, 4, 3, 1).reshape(batch, groups, number, *grid, *frequencies)


def cost(problem: ConvProblem, lengths: Lengths, blocks: int) -> Cost:
    """Count the transforms, the products and the bias, each input being cut into `blocks`.

    A real transform of N points has N/4 · log₂ N complex butterflies of 4 multiplications and 6
    additions: 5/2 · N · log₂ N operations. A complex multiply-add has 4 and 4. Each array of the
    product is laid out anew, frequencies first, so that it is one matrix product per frequency.
    """
    points = prod(lengths)
    frequencies = points // lengths[-1] * (lengths[-1] // 2 + 1)
    results = problem.batch * problem.out_channels * blocks
    transforms = (
        problem.batch * problem.in_channels * blocks + prod(problem.weight_shape[:2]) + results
    )
    butterflies = transforms * points * (points.bit_length() - 1)  # times 4
    products = results * problem.weight_shape[1] * frequencies
    real_bytes = transforms * points * problem.format.bytes
    complex_bytes = transforms * frequencies * 2 * problem.format.bytes
    return Cost(
        multiplications=butterflies + 4 * products,
        additions=butterflies * 3 // 2 + 4 * products + problem.bias * prod(problem.output_shape),
        workspace_bytes=problem.padded_bytes
        + real_bytes
        + 2 * complex_bytes
        + problem.output_bytes,
        traffic_bytes=problem.input_bytes
        + problem.weight_bytes
        + 2 * problem.padded_bytes
        + 2 * real_bytes
        + 4 * complex_bytes
        + 2 * problem.output_bytes,
        operations=10,
    )


# -- the error ----------------------------------------------------------------------------------


def transform_error(lengths: Lengths, unit_roundoff: float) -> float:
    """Return ε of ‖computed − exact‖₂ ≤ ε · ‖exact‖₂ for one transform (Higham, theorem 24.2).

    Levels: log₂ N, and one more for packing a real transform into a complex one of half the length.
    """
    levels = log2(prod(lengths)) + 1
    twiddle = TWIDDLE_ROUNDINGS * unit_roundoff
    level = twiddle + gamma(4, unit_roundoff) * (sqrt(2) + twiddle)
    return levels * level / (1 - levels * level)


def worst_factor(problem: ConvProblem, lengths: Lengths, additions: int) -> float:
    """Return (1 + ε)² (1 + δ) (1 + 2ε) (1 + u)^additions − 1, of Σ_c ‖x_c‖ · ‖w_fc‖.

    Two forward transforms, the complex sum over channels, the inverse transform in the maximum
    norm, and what is added to its result: other blocks and the bias.
    """
    u = problem.format.unit_roundoff
    transform = transform_error(lengths, u)
    channel_sum = sqrt(2) * gamma(2 * problem.weight_shape[1], u)
    relative = np.array([transform, transform, channel_sum, 2 * transform, *[u] * additions])
    return float(np.expm1(np.log1p(relative).sum()))  # the product − 1, with no digit lost


def sizes(problem: ConvProblem, lengths: Lengths, images: Array, weight: Array) -> Float64:
    """Return Σ_c ‖x_c‖₂ · ‖w_fc‖₂ for every input and filter, [batch, out_channels, *blocks].

    images: |x|, shape [batch, in_channels, *blocks, points]. Each norm is a little larger for
    what underflow can lose, and infinite where a spectrum may overflow: nothing is promised there.
    """
    points, format = prod(lengths), problem.format
    least = format.tiny / format.unit_roundoff
    groups, channels = problem.groups, problem.weight_shape[1]
    x = _norm(images) + sqrt(points) * least
    w = _norm(weight.reshape(*weight.shape[:2], -1)) + sqrt(points) * least
    x = x.reshape(problem.batch, groups, channels, *images.shape[2:-1])
    w = w.reshape(groups, problem.gemm.m, channels)
    # A loop over channels: einsum might multiply by zeros of its own, and 0 · ∞ is not a number.
    size = np.full((1,) * x.ndim, (channels + points) * least)
    for c in range(channels):
        size = size + x[:, :, None, c] * w[None, :, :, c].reshape(
            1, groups, problem.gemm.m, *(1,) * (x.ndim - 3)
        )
    largest = float(np.finfo(problem.dtype).max) / 4
    fits = points * size <= largest
    fits &= sqrt(points) * x.max(axis=2)[:, :, None] <= largest
    size = np.where(fits, size, np.inf)
    return size.reshape(problem.batch, problem.out_channels, *images.shape[2:-1])


def _norm(array: Array) -> Float64:
    """Return the Euclidean norm of the last axis, whose squares neither overflow nor underflow."""
    norm: Float64 = np.hypot.reduce(array.astype(np.float64), axis=-1)
    return norm
