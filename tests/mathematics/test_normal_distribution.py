"""Φ as a polynomial, against erfc and its own bound."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import erfc, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassconv.mathematics.normal_distribution import (
    NormalDistribution,
    interpolate,
    normal_distribution,
    truncation,
)

ROUNDOFFS = pytest.mark.parametrize("u", [2**-24, 2**-53])


def value(normal: NormalDistribution, x: float) -> float:
    """Return Φ(x) by the polynomial, evaluated in exact fractions."""
    y = 2 * Fraction(x) ** 2 / Fraction(normal.limit) ** 2 - 1
    p = Fraction(0)
    for coefficient in reversed(normal.coefficients):
        p = p * y + Fraction(coefficient)
    return float(Fraction(1, 2) + Fraction(x) * p)


@ROUNDOFFS
def test_it_is_within_its_bound(u: float) -> None:
    normal = normal_distribution(u)
    bound = normal.limit * truncation(normal.limit, len(normal.coefficients) - 1)
    assert bound <= u
    for x in np.linspace(-normal.limit, normal.limit, 401):
        exact = erfc(-x / sqrt(2)) / 2
        # The coefficients are rounded to float64, and erfc errs by about as much.
        assert abs(value(normal, x) - exact) <= bound + 4 * 2**-53 * max(1, abs(x))


@ROUNDOFFS
def test_beyond_its_limit_it_is_zero_or_one_within_a_rounding(u: float) -> None:
    limit = normal_distribution(u).limit
    assert erfc(limit / sqrt(2)) / 2 <= u < erfc((limit - 0.1) / sqrt(2)) / 2


@ROUNDOFFS
def test_horners_rule_is_well_conditioned(u: float) -> None:
    """The magnitudes of the coefficients add up to about q(0) = 1/√(2π)."""
    assert sum(map(abs, normal_distribution(u).coefficients)) == pytest.approx(0.399, abs=1e-3)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_a_polynomial_is_its_own_interpolation(coefficients: list[int]) -> None:
    nodes = [Decimal(n) for n in range(1, len(coefficients) + 1)]
    with localcontext(prec=60):
        found = interpolate(
            lambda y: sum((c * y**k for k, c in enumerate(coefficients)), Decimal(0)), nodes
        )
    assert [round(each) for each in found] == coefficients
