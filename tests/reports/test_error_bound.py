"""Bounds against exact integers, and scales of an algorithm's own."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassconv.problem.dtypes import FORMATS, FloatFormat
from glassconv.reports.error_bound import sum_of_products_bound

FORMAT = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)


@FORMAT
def test_a_sum_of_products_rounds_once_more_than_it_has_products(format: FloatFormat) -> None:
    bound = sum_of_products_bound(75, format)
    assert bound.max_factor == 76 * format.unit_roundoff
    assert bound.rms_factor == 1
    assert bound.formula.startswith("76·u, u = ")


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6)), min_size=1))
def test_a_float32_sum_stays_within_its_bound(pairs: list[tuple[int, int]]) -> None:
    """Compare a plain loop of rounded products and sums with exact integers."""
    total = torch.tensor(0.0)
    for x, w in pairs:
        total = total + torch.tensor(float(x)) * torch.tensor(float(w))
    exact = sum(x * w for x, w in pairs)
    scale = sum(abs(x * w) for x, w in pairs)
    bound = sum_of_products_bound(len(pairs), FORMATS["float32"])
    assert abs(Fraction(total.item()) - exact) <= Fraction(bound.max_factor) * scale
