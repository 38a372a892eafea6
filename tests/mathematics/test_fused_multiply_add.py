"""The emulated fused multiply-add against rational numbers."""

from fractions import Fraction

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassconv.mathematics.fused_multiply_add import fused_multiply_add, sum_to_odd

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SINGLE = st.floats(allow_nan=False, allow_infinity=False, width=32)
NEAR = st.floats(-4, 4)


def rounded(exact: Fraction, digits: int, smallest: int, largest: float) -> float:
    """Return an exact number rounded to so many bits, the even one of two equally near.

    smallest: the exponent of the smallest positive number. largest: the largest number.
    """
    if not exact:
        return 0.0
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length() - digits
    while abs(exact) >= Fraction(2) ** (exponent + digits):
        exponent += 1
    place = Fraction(2) ** max(exponent, smallest)
    number = round(exact / place) * place
    if abs(number) > Fraction(largest):
        return float("inf") if exact > 0 else -float("inf")
    return float(number)


def fused(numbers: tuple[float, float, float], dtype: torch.dtype) -> float:
    return fused_multiply_add(*(torch.tensor(each, dtype=dtype) for each in numbers)).item()


@given(st.tuples(SINGLE, SINGLE, SINGLE))
def test_float32_is_rounded_once(numbers: tuple[float, float, float]) -> None:
    left, right, total = map(Fraction, numbers)
    expected = rounded(left * right + total, 24, -149, float(np.finfo(np.float32).max))
    assert fused(numbers, torch.float32) == expected


def test_a_sum_that_float64_makes_a_tie_is_rounded_once() -> None:
    """One such element in an array, beside others that are rounded by themselves."""
    near = 2.0**-12 * (1 + 2.0**-18), 2.0**-12 * (1 - 2.0**-18)  # their product is below 2⁻²⁴
    left, right = torch.tensor([near[0], 2.0**-12, 0.1]), torch.tensor([near[1], 2.0**-12, 3.0])
    for total, expected in ((1.0, 1.0), (1 + 2.0**-23, 1 + 2.0**-23)):
        assert (left[0].double() * right[0].double() + total) - total == 2.0**-24
        found = fused_multiply_add(left, right, torch.tensor(total))
        assert found[0].item() == expected
        for each in range(3):
            exact = Fraction(left[each].item()) * Fraction(right[each].item()) + Fraction(total)
            assert found[each].item() == rounded(exact, 24, -149, 3e38)


@given(st.one_of(st.tuples(FINITE, FINITE, FINITE), st.tuples(NEAR, NEAR, NEAR)))
def test_float64_is_rounded_once(numbers: tuple[float, float, float]) -> None:
    left, right, total = map(Fraction, numbers)
    expected = rounded(left * right + total, 53, -1074, float(np.finfo(np.float64).max))
    assert fused(numbers, torch.float64) == expected


@given(st.floats(0.25, 4), st.floats(0.25, 4))
def test_a_product_that_cancels_leaves_its_rounding_error(left: float, right: float) -> None:
    rest = fused((left, right, -(left * right)), torch.float64)
    assert Fraction(left) * Fraction(right) == Fraction(left * right) + Fraction(rest)


def test_zeros_keep_their_signs_and_what_is_not_finite_stays_so() -> None:
    for dtype in (torch.float32, torch.float64):
        zero, tiny, inf = 0.0, torch.finfo(dtype).smallest_normal, float("inf")
        assert str(fused((-zero, 1.0, zero), dtype)) == "0.0"
        assert str(fused((-zero, 1.0, -zero), dtype)) == "-0.0"
        assert str(fused((-tiny, tiny, zero), dtype)) == "-0.0"
        assert fused((1e30, 1e30, -inf), dtype) == -inf
        assert fused((torch.finfo(dtype).max, 2.0, -inf), dtype) == -inf
        assert np.isnan(fused((inf, zero, 1.0), dtype))
        assert np.isnan(fused((inf, 1.0, -inf), dtype))


def test_an_inexact_sum_takes_the_odd_number_beside_it() -> None:
    tiny = 2.0**-60
    one, below = torch.tensor(1.0, dtype=torch.float64), torch.tensor(-tiny, dtype=torch.float64)
    assert sum_to_odd(one, -below).item() == 1 + 2.0**-52
    assert sum_to_odd(one, below).item() == 1 - 2.0**-53
    assert sum_to_odd(one, one).item() == 2
