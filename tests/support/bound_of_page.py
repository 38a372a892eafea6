"""The bound of Winograd's transforms alone, as the explorer's page draws them.

The page computes no tile directly, so its outputs are bounded by the numbers of their tile and not
by those of their window: γ_N against the same steps on absolute values, N the roundings on the
longest way from an operand to an output.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from math import inf

import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.winograd import cut, join, multiply, pad
from glassconv.algorithms.parts.winograd_transforms import along, transforms_of
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FORMATS, gamma
from glassconv.reports.array import Array
from glassconv.reports.error_bound import ErrorBound, Float64, gradual_underflow


def bound_of_page(algorithm: str, problem: ConvProblem) -> ErrorBound:
    """Return the bound of an algorithm as the page computes it."""
    if not algorithm.startswith("winograd"):
        return named(algorithm).error_bound(problem)
    outputs = int(algorithm[-1])
    n = roundings(problem, outputs, problem.dtype)
    u = problem.format.unit_roundoff
    return ErrorBound(
        max_factor=gamma(n, u),
        rms_factor=inf,
        formula=f"γ_{n} = {n}u / (1 − {n}u), u = {u:.3g}",
        underflow=gradual_underflow(problem.taps_per_output + 1, problem.format),
        reference="|Aᵀ|[(|G||w|) ⊙ (|Bᵀ||x|)] + |b|",
        magnitude=partial(_magnitude, outputs),
        window_factor=inf,
    )


def roundings(problem: ConvProblem, outputs: int, dtype: str) -> int:
    """Return how often a term of an output is rounded at most, from operand to output.

    Aᵀ and Bᵀ have no entry that is rounded. Along each axis G's entries are rounded, multiplied and
    summed in float64; for float32 all of that is less than one more rounding, then they are
    narrowed.
    """
    transforms = transforms_of(problem, outputs)
    within_tiles = sum(_roundings(each.input) + _roundings(each.output) for each in transforms)
    filter = 2 if dtype == "float32" else sum(r + 1 for r in problem.kernel_size)
    product_and_sum = problem.weight_shape[1]
    return within_tiles + filter + product_and_sum + problem.bias


def _roundings(matrix: Matrix) -> int:
    """Return how often a term is rounded at most in a product with a matrix of exact entries.

    Once as it is multiplied, unless by powers of two alone, and at each addition.
    """
    return max(sum(entry != 0 for entry in row) - all(map(_is_power_of_two, row)) for row in matrix)


def _is_power_of_two(entry: Fraction) -> bool:
    """Return whether a product with this dyadic fraction is exact: ±2^e or 0."""
    return abs(entry.numerator).bit_count() <= 1


def _magnitude(
    outputs: int, problem: ConvProblem, input: Array, weight: Array, bias: Array | None
) -> Float64:
    """Return |Aᵀ|[(|G||w|) ⊙ (|Bᵀ||x|)] + |bias|, and what underflow can add to the error.

    Each rounded product may lose half of the smallest number; the later steps make of it what they
    make of any number, and round it again: at most double it. Infinite where the element type
    could overflow.
    """
    transforms = transforms_of(problem, outputs)
    n = roundings(problem, outputs, problem.dtype)
    lost = problem.format.tiny / gamma(n, problem.format.unit_roundoff)
    largest = torch.finfo(getattr(torch, problem.dtype)).max / 2

    def settle(array: Tensor, products: int) -> Tensor:
        array = array + products * lost
        return torch.where(array > largest, inf, array)

    def transform(matrices: Iterable[Matrix], array: Tensor) -> Tensor:
        for place, matrix in enumerate(matrices, start=-problem.ndim):
            absolute = tuple(tuple(map(abs, row)) for row in matrix)
            array = settle(along(place, absolute, array), len(matrix[0]))
        return array

    x, w = torch.from_numpy(input).double(), torch.from_numpy(weight).double()
    tiles = transform(
        (each.input for each in transforms), cut(problem, transforms, pad(problem, transforms, x))
    )
    filters = transform((each.filter for each in transforms), w)
    products = settle(multiply(problem, tiles, filters), problem.weight_shape[1])
    joined = join(problem, transform((each.output for each in transforms), products))
    b = None if bias is None else torch.from_numpy(bias).double()
    magnitude: Float64 = add_bias(problem, joined, b).numpy()
    # The magnitude is itself computed in float64, so it may be that much too small.
    own = gamma(roundings(problem, outputs, "float64"), FORMATS["float64"].unit_roundoff)
    return magnitude / (1 - own)
