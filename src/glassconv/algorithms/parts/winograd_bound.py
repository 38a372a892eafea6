"""How wrong Winograd's convolution may be: bounded by the numbers of an output's own window.

    |error| ≤ K · n · u · (max|w| · Σ|x| + |b|)      x window, w filter, b bias, n products + 1

The transforms keep this bound on every tile that is flat enough; the others are computed directly
(winograd_flatness.py). docs/algorithms/winograd.md has the proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from math import prod

from glassconv.algorithms.parts import window_bound
from glassconv.algorithms.parts.winograd_transforms import Outputs, transforms_of
from glassconv.mathematics.cook_toom import Matrix, Transforms
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FORMATS, gamma
from glassconv.reports.error_bound import ErrorBound


def error_bound(problem: ConvProblem, outputs: Outputs, growth: Mapping[int, float]) -> ErrorBound:
    """Return the bound by each output's own window.

    growth: from an axis's kernel size to what that axis multiplies PyTorch's rms error by.
    """
    return window_bound.error_bound(
        problem,
        window_factor(problem, outputs),
        prod(growth[r] for r in problem.kernel_size),
        _underflow(problem, outputs),
    )


def window_factor(problem: ConvProblem, outputs: Outputs) -> int:
    """Return K."""
    return window_bound.window_factor(flat_factor(problem, outputs))


def flat_factor(problem: ConvProblem, outputs: Outputs) -> float:
    """Return the K that a tile of equal pixels needs, whatever the weight."""
    reach = prod(map(_reach_of_equal_pixels, transforms_of(problem, outputs)))
    products, filter = error_of_products(problem, outputs), error_of_filters(problem)
    window = (
        (problem.taps_per_output + 1) * problem.format.unit_roundoff * prod(problem.kernel_size)
    )
    return (products + filter) * reach / window


@cache
def _reach_of_equal_pixels(transforms: Transforms) -> float:
    """Return max_i Σ_j |A_ij| Σ_k |G_jk| Σ_l |B_jl|."""
    filter, input = ([sum(map(abs, row)) for row in matrix] for matrix in transforms[1:])
    return float(
        max(
            sum(abs(a) * g * b for a, g, b in zip(row, filter, input, strict=True))
            for row in transforms.output
        )
    )


def error_of_products(problem: ConvProblem, outputs: Outputs) -> float:
    """Return γ_N, N the roundings of a term at most, from the transformed filter to an output.

    They are the input transform's, the output transform's, one for the filter as it is rounded, one
    for each channel and one for a bias.
    """
    transforms = transforms_of(problem, outputs)
    within_tiles = sum(_roundings(each.input) + _roundings(each.output) for each in transforms)
    filter = bias = 1
    n = within_tiles + filter + problem.weight_shape[1] + bias
    return gamma(n, problem.format.unit_roundoff)


def error_of_filters(problem: ConvProblem) -> float:
    """Return the error of G w in float64, relative to |G| |w|."""
    return gamma(sum(r + 1 for r in problem.kernel_size), FORMATS["float64"].unit_roundoff)


@cache
def _roundings(matrix: Matrix) -> int:
    """Return how often a term is rounded at most in a product with a matrix of exact entries.

    Once as it is multiplied, unless by powers of two alone, and at each addition.
    """
    return max(sum(entry != 0 for entry in row) - all(map(_is_power_of_two, row)) for row in matrix)


def _is_power_of_two(entry: Fraction) -> bool:
    """Return whether a product with this dyadic fraction is exact: ±2^e or 0."""
    return abs(entry.numerator).bit_count() <= 1


def lost_by_transform(matrices: tuple[Matrix, ...], tiny: float) -> float:
    """Return what a transform loses at most where its products underflow, tiny / 2 each.

    The later axes multiply what the earlier have lost.
    """
    sums = [float(max(sum(map(abs, row)) for row in matrix)) for matrix in matrices]
    entries = [len(matrix[0]) for matrix in matrices]
    return tiny * sum(n * prod(sums[axis + 1 :]) for axis, n in enumerate(entries))


def _underflow(problem: ConvProblem, outputs: Outputs) -> float:
    """Return what the products over channels and the output transform lose where they underflow."""
    matrices = tuple(each.output for each in transforms_of(problem, outputs))
    tiny = problem.format.tiny
    sums = prod(float(max(sum(map(abs, row)) for row in matrix)) for matrix in matrices)
    return sums * problem.weight_shape[1] * tiny + lost_by_transform(matrices, tiny)
