"""Powers of two that keep small numbers from losing digits in Winograd's transforms.

Products below the smallest normal number N are rounded to multiples of the smallest number τ. Two
scales keep that from the transforms. They are exact, and undone with the outputs:

    pixels by 1/u       They become multiples of τ/u. No denominator of Bᵀ, multiplied over the
                        axes, exceeds 1/u, so each product is a multiple of τ and loses nothing.
    a filter by 1/u²    where its largest weight is below N/u; then it is at least N/u, of which
                        the loss of a product, τ/2, is a share of u² at most.

Pixels of N/u and more are multiples of τ/u already. So an input without smaller ones is not scaled
by the readable steps; the kernels scale every input, which costs them nothing to undo.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from glassconv.problem.dtypes import FloatFormat
from glassconv.reports.error_bound import Float64

A = TypeVar("A", Float64, Tensor)


def input_scale(input: Tensor, format: FloatFormat) -> Tensor:
    """Return 1/u for an input that has numbers below N/u, else 1."""
    sizes = input.detach().abs()
    has_small = ((sizes > 0) & (sizes < _small(format))).any()
    one = torch.ones((), dtype=input.dtype, device=input.device)
    return torch.where(has_small, one / format.unit_roundoff, one)


def filter_scales(weight: Tensor, format: FloatFormat) -> Tensor:
    """Return the scale of each filter in float64, in a shape that multiplies the weight."""
    largest = weight.detach().double().abs().flatten(1).amax(1)
    scales = scales_of_largest(torch, largest, format)
    return scales.reshape(-1, *(1,) * (weight.ndim - 1))


def scales_of_largest(arrays: Any, largest: A, format: FloatFormat) -> A:
    """Return 1/u² for each filter whose largest weight is below N/u and not 0, else 1.

    arrays: torch or NumPy, whichever the numbers are of.
    """
    is_small = (largest > 0) & (largest < _small(format))
    scale = format.unit_roundoff**-2
    scales: A = arrays.where(is_small, arrays.full_like(largest, scale), arrays.ones_like(largest))
    return scales


def _small(format: FloatFormat) -> float:
    return format.smallest_normal / format.unit_roundoff
