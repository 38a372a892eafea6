"""The symbolic Fourier transform held to the correlation that it must be, in exact fractions."""

from __future__ import annotations

import cmath

import pytest

from glassconv.mathematics.symbolic_fourier import POINTS, POWERS, TRACES, symbolic_fourier
from support.exact_correlation import is_the_correlation

TAPS = pytest.mark.parametrize("r", range(1, 7))


@TAPS
def test_it_is_the_correlation_exactly(r: int) -> None:
    assert is_the_correlation(symbolic_fourier(r), POINTS, r)


@TAPS
def test_shapes(r: int) -> None:
    """Eight products of spectra and a correction for each tap that wraps round."""
    n = 8 + r * r // 4
    shapes = [(len(matrix), *{len(row) for row in matrix}) for matrix in symbolic_fourier(r)]
    assert shapes == [(POINTS, n), (n, r), (n, POINTS + r - 1)]


@TAPS
def test_the_input_is_only_added_and_the_output_only_doubled(r: int) -> None:
    output, _, input = symbolic_fourier(r)
    assert {entry for row in input for entry in row} <= {-1, 0, 1}
    assert {entry for row in output for entry in row} <= {-2, -1, 0, 1, 2}


def test_powers_and_traces_are_those_of_the_sixth_root_of_one() -> None:
    s = cmath.exp(1j * cmath.pi / 3)
    for exponent, ((a, b), trace) in enumerate(zip(POWERS, TRACES, strict=True)):
        assert a + b * s == pytest.approx(s**exponent)
        assert trace == pytest.approx(2 * (s**exponent).real)
