"""The fused multiply-add, left · right + total rounded once, for tensors on any processor.

PyTorch has no such operation. A sum rounded to odd makes it: if a sum is not a number of the format
then, of the two numbers next to it, the one whose last bit is 1 is taken. Rounding that once more,
to a format that is two bits shorter or more, gives the exact sum rounded once.

Source: S. Boldo and G. Melquiond, Emulation of FMA and correctly rounded sums: proved algorithms
using rounding to odd, 2008.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, isfinite

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch._subclasses import FakeTensor

SPLIT = 2.0**27 + 1  # cuts a number of 53 bits into halves, whose products are exact
LARGEST, SMALLEST = 2.0**970, 2.0**-900  # between them nothing below overflows or underflows
LACKING, TIE = 2**29 - 1, 2**28  # the bits that float32 lacks, and half of its last place
SMALLEST_NORMAL = 2.0**-126  # of float32


def fused_multiply_add(left: Tensor, right: Tensor, total: Tensor) -> Tensor:
    """Return left · right + total in float32 or float64, rounded once; shapes broadcast.

    >>> third = torch.tensor(1 / 3)
    >>> fused_multiply_add(third, torch.tensor(3.0), torch.tensor(-1.0)).item()
    2.9802322387695312e-08
    """
    if total.is_meta:  # shapes alone
        return left * right + total
    if left.dtype == torch.float32:  # a product of two numbers of 24 bits is exact in float64
        return _rounded_sum(left.double() * right.double(), total.double())
    product, rest = exact_product(left, right)
    low, lowest = exact_sum(total, rest)
    high, middle = exact_sum(product, low)
    result = high + sum_to_odd(lowest, middle)
    result = torch.where(result == 0, product + total, result)  # zero with its sign
    if not _is_readable(result):
        return result
    return _with_extremes(left, right, total, product, result)


def _rounded_sum(left: Tensor, right: Tensor) -> Tensor:
    """Return the sum of two arrays of float64 in float32, rounded once.

    Rounding to float64 first changes the result only where it makes a tie of two neighbours.
    """
    total = left + right
    if _is_readable(total):
        value = total.detach()
        is_tie = (value.contiguous().view(torch.int64) & LACKING) == TIE
        size = value.abs()
        is_subnormal = (size < SMALLEST_NORMAL) & (size > 0)
        if not (is_tie | is_subnormal).any():
            return total.float()
    return sum_to_odd(left, right).float()


def _is_readable(tensor: Tensor) -> bool:
    """Return whether an array has numbers that may be looked at."""
    return not (isinstance(tensor, FakeTensor) or is_functorch_wrapped_tensor(tensor))


def sum_to_odd(left: Tensor, right: Tensor) -> Tensor:
    """Return left + right rounded to odd, in float64."""
    total, error = exact_sum(left, right)
    value = total.detach()
    is_even = (value.contiguous().view(torch.int64) & 1) == 0
    step = torch.nextafter(value, error * inf) - value  # NaN where the sum is exact
    size = error.abs()
    return torch.where((size > 0) & (size < inf) & is_even, total + step, total)


def exact_sum(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rounded sum, and what it lacks (D. Knuth's TwoSum)."""
    total = left + right
    share = (total - left).detach()
    return total, ((left - (total - share)) + (right - share)).detach()


def exact_product(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rounded product in float64, and what it lacks (T. Dekker, 1971)."""
    product = left * right
    high, other_high = _high(left), _high(right)
    low, other_low = left - high, right - other_high
    rest = ((high * other_high - product) + high * other_low + low * other_high) + low * other_low
    return product, rest.detach()


def _high(number: Tensor) -> Tensor:
    scaled = SPLIT * number
    return scaled - (scaled - number)


def _with_extremes(
    left: Tensor, right: Tensor, total: Tensor, product: Tensor, result: Tensor
) -> Tensor:
    """Return the result, with rational numbers where float64's range is too small for the steps."""
    left, right, total = (each.expand(result.shape) for each in (left, right, total))
    size, largest = product.abs(), torch.maximum(left.abs(), right.abs())
    is_safe = (largest < LARGEST) & (size < LARGEST) & (total.abs() < LARGEST)
    is_safe &= (size > SMALLEST) | (left == 0) | (right == 0)
    extremes = ~is_safe
    if not extremes.any():
        return result
    numbers = [each[extremes].tolist() for each in (left, right, total)]
    rounded = [_of_numbers(*each) for each in zip(*numbers, strict=True)]
    result = result.clone()
    result[extremes] = torch.tensor(rounded, dtype=result.dtype)
    return result


def _of_numbers(left: float, right: float, total: float) -> float:
    if not (isfinite(left) and isfinite(right)):
        return left * right + total
    if not isfinite(total):
        return total
    exact = Fraction(left) * Fraction(right) + Fraction(total)
    if not exact:
        return left * right + total  # zero with its sign
    try:
        return float(exact)
    except OverflowError:
        return inf if exact > 0 else -inf
