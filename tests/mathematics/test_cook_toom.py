"""F(m, r) held to the correlation it must be, in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from glassconv.errors import ArgumentError
from glassconv.mathematics.cook_toom import cook_toom, good_points
from support.exact_correlation import is_the_correlation

SIZES = [(m, r) for m in range(1, 9) for r in range(1, 8)]


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_it_is_the_correlation_exactly(m: int, r: int) -> None:
    assert is_the_correlation(cook_toom(m, r), m, r)


@pytest.mark.parametrize("points", ["0 1 -1 2 -2", "0 3/4 -3/4 11/8 -11/8", "5 -1/3 7 1/9 2/7"])
@pytest.mark.parametrize(("m", "r"), [(4, 3), (3, 4), (2, 5), (6, 1), (1, 6)])
def test_any_different_points_will_do(m: int, r: int, points: str) -> None:
    transforms = cook_toom(m, r, tuple(map(Fraction, points.split())))
    assert is_the_correlation(transforms, m, r)


@pytest.mark.parametrize("points", ["0 1", "0 1 1", "0 1 2 3"])
def test_points_that_are_not_n_minus_1_different_ones_are_refused(points: str) -> None:
    with pytest.raises(ArgumentError, match=r"F\(2, 3\) needs 3 different points"):
        cook_toom(2, 3, tuple(map(Fraction, points.split())))


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_shapes(m: int, r: int) -> None:
    n = m + r - 1
    shapes = [(len(matrix), *{len(row) for row in matrix}) for matrix in cook_toom(m, r)]
    assert shapes == [(m, n), (n, r), (n, n)]


def test_the_matrices_of_lavin_and_gray_up_to_signs() -> None:
    output, filter, input = cook_toom(4, 3, tuple(map(Fraction, (0, 1, -1, 2, -2))))
    assert list(output[3]) == [0, 1, -1, 8, -8, 1]
    assert filter[3] == (Fraction(1, 24), Fraction(1, 12), Fraction(1, 6))
    assert list(input[0]) == [4, 0, -5, 0, 1, 0]


@pytest.mark.parametrize(
    ("number", "points"),
    [
        (3, "0 1 -1"),
        (4, "0 3/4 -3/4 2"),
        (5, "0 3/4 -3/4 3/2 -3/2"),
        (7, "0 1 -1 1/2 -1/2 2 -2"),
        (9, "0 1 -1 1/2 -1/2 2 -2 1/4 -1/4"),
    ],
)
def test_points(number: int, points: str) -> None:
    assert good_points(number) == tuple(map(Fraction, points.split()))


def rms_error(m: int, r: int, points: tuple[Fraction, ...]) -> float:
    """Return the rms error of F(m, r) on normal data, in roundings of each product."""
    output, filter, input = (
        np.array(matrix, np.float64) ** 2 for matrix in cook_toom(m, r, points)
    )
    return float(np.sqrt((output @ (filter.sum(1) * input.sum(1))).mean()))


@pytest.mark.parametrize(("m", "pairs"), [(4, 2), (6, 3)])
def test_no_pairs_in_quarters_have_a_smaller_error(m: int, pairs: int) -> None:
    """Of F(4, 3) and F(6, 3), with 0 and infinity."""
    quarters = [Fraction(number, 4) for number in range(1, 13)]
    least = min(
        rms_error(m, 3, (Fraction(), *chosen, *(-point for point in chosen)))
        for chosen in combinations(quarters, pairs)
    )
    assert rms_error(m, 3, good_points(2 * pairs + 1)) == pytest.approx(least)


@pytest.mark.parametrize(("m", "r"), [(m, r) for m, r in SIZES if m + r - 1 <= 8])
def test_input_and_output_matrices_are_exact_in_float32(m: int, r: int) -> None:
    """The bound of Winograd's convolution counts no rounding of their entries."""
    output, _, input = cook_toom(m, r)
    for row in output + input:
        for entry in row:
            assert Fraction(float(np.float32(float(entry)))) == entry
