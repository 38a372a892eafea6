"""Numbers as they are written: briefly, and never wider than a terminal."""

from __future__ import annotations

import numpy as np
import pytest

from glassconv.views.notation import corner

INDENTED = 76  # of 80 columns, in a section


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex64])
def test_a_corner_fits_a_terminal_however_wide_its_numbers(kind: type) -> None:
    drawn = np.random.default_rng(0).normal(size=(4, 2, 9)) * -1.2345e-5
    array = (drawn * (1 + 1j)).astype(kind) if kind is np.complex64 else drawn.astype(kind)
    *rows, left_out = corner(array)
    assert max(map(len, [*rows, left_out])) <= INDENTED
    assert all(row.endswith("…") for row in rows)
    shown = len(rows[0].split()) - 1
    assert left_out == f"shown: columns 1 to {shown} of 9, the first of 4 planes"


def test_a_row_that_fits_is_whole() -> None:
    assert corner(np.arange(6.0).reshape(1, 6)) == [" 0  1  2  3  4  5"]
