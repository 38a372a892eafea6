"""Pieces of F(m, r) held to the strided correlation that their sum must be, in exact fractions."""

from __future__ import annotations

import pytest

from glassconv.mathematics.cook_toom import cook_toom
from glassconv.mathematics.decomposed import MOST_TAPS, decomposed, pieces
from support.exact_correlation import is_the_correlation

SIZES = [(m, r, s) for m in (1, 2, 4) for r in range(1, 9) for s in (1, 2, 3)]


@pytest.mark.parametrize(("m", "r", "stride"), SIZES)
def test_it_is_the_correlation_exactly(m: int, r: int, stride: int) -> None:
    assert is_the_correlation(decomposed(m, r, stride), m, r, stride)


@pytest.mark.parametrize(("m", "r", "stride"), SIZES)
def test_every_tap_is_in_one_piece_of_few_taps(m: int, r: int, stride: int) -> None:
    found = pieces(r, stride)
    assert sorted(tap for piece in found for tap in piece) == list(range(r))
    assert all(len(piece) <= MOST_TAPS and piece.step == stride for piece in found)
    elements = sum(m + len(piece) - 1 for piece in found)
    assert [len(matrix) for matrix in decomposed(m, r, stride)] == [m, elements, elements]


def test_one_piece_is_f_m_r_itself() -> None:
    assert decomposed(4, 3, 1) == cook_toom(4, 3)
