"""Formats against PyTorch's own tables, and γₙ against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassconv.problem.dtypes import FORMATS, FloatFormat, gamma

FORMAT = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)


@FORMAT
def test_formats_are_what_pytorch_computes_in(format: FloatFormat) -> None:
    info = torch.finfo(getattr(torch, format.name))
    assert format.bytes * 8 == info.bits
    assert format.unit_roundoff == info.eps / 2
    assert format.tiny == info.smallest_normal * info.eps


@FORMAT
def test_unit_roundoff_is_where_one_plus_it_rounds_to_even(format: FloatFormat) -> None:
    dtype = getattr(torch, format.name)
    half = torch.tensor(1 + 2 * format.unit_roundoff, dtype=torch.float64)
    assert half.to(dtype).item() == 1 + 2 * format.unit_roundoff  # the next number after 1
    tie = torch.tensor(1.0, dtype=dtype) + torch.tensor(format.unit_roundoff, dtype=dtype)
    assert tie.item() == 1.0


@FORMAT
def test_tiny_is_the_smallest_positive_number(format: FloatFormat) -> None:
    tiny = torch.tensor(format.tiny, dtype=torch.float64).to(getattr(torch, format.name))
    assert tiny.item() == format.tiny
    assert (tiny / 2).item() == 0


@given(st.integers(0, 10**6), st.sampled_from(sorted(FORMATS)))
def test_gamma_is_its_formula(n: int, name: str) -> None:
    unit = FORMATS[name].unit_roundoff
    rounded = n * Fraction(unit)
    if rounded >= 1:
        assert gamma(n, unit) == math.inf
    else:
        exact = rounded / (1 - rounded)  # float64 rounds the difference and the quotient
        assert abs(Fraction(gamma(n, unit)) - exact) <= exact * Fraction(gamma(2, 2.0**-53))


@pytest.mark.parametrize(("n", "promised"), [(255, True), (256, False), (10**6, False)])
def test_nothing_is_promised_once_n_u_reaches_one(n: int, promised: bool) -> None:
    assert math.isfinite(gamma(n, FORMATS["bfloat16"].unit_roundoff)) is promised
