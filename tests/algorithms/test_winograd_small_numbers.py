"""Winograd's convolution of small numbers: scales of powers of two keep them from underflow."""

from __future__ import annotations

import pytest
import torch

from glassconv.algorithms import named, sfc, winograd_pieces
from glassconv.algorithms.parts.winograd_scale import filter_scales, input_scale
from glassconv.mathematics.cook_toom import cook_toom
from glassconv.problem.operands import random_operands
from glassconv.problem.shorthand import parse
from support.winograd_tiles import flat, within_its_bound

NAME = pytest.mark.parametrize("name", ["winograd2", "winograd4", "winograd6"])
SMALL = pytest.mark.parametrize("operand", ["input", "weight"])


@NAME
@SMALL
@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("text", ["32x13x14 3@3x3", "32x13x14 3@3x3 float64"])
def test_subnormal_numbers_cost_no_tile(name: str, operand: str, share: float, text: str) -> None:
    problem = parse(text)
    given = random_operands(problem)
    assert flat(problem, name, given).all()
    numbers = getattr(given, operand)
    drawn = torch.rand(numbers.shape, generator=torch.Generator().manual_seed(1))
    numbers[drawn <= share] *= problem.format.smallest_normal / 2**10
    assert flat(problem, name, given).all()
    assert within_its_bound(problem, name, given)


@NAME
@pytest.mark.parametrize("axis", [0, 1])
def test_filters_or_channels_that_decayed_cost_no_tile(name: str, axis: int) -> None:
    problem = parse("32x13x14 5@3x3")
    given = random_operands(problem)
    given.weight.transpose(0, axis)[2] *= 1e-42
    assert flat(problem, name, given).all()
    assert within_its_bound(problem, name, given)


@NAME
@SMALL
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_subnormal_numbers_give_the_digits_of_normal_ones(
    name: str, operand: str, dtype: str
) -> None:
    """Whole numbers times a power of two, the other operand so large that outputs are normal."""
    problem = parse(f"32x13x14 3@3x3 nobias {dtype}")
    given = random_operands(problem)
    numbers, other = given.input, given.weight
    if operand == "weight":
        numbers, other = other, numbers
    numbers.mul_(3).round_()
    expected = named(name).run(problem, *vars(given).values())
    numbers.mul_(2.0**8 * problem.format.tiny)
    other.mul_(2.0**60)
    output = named(name).run(problem, *vars(given).values())
    assert torch.equal(output, expected * (2.0**68 * problem.format.tiny))


def test_no_denominator_of_bt_exceeds_the_scale_of_pixels() -> None:
    matrices = [
        cook_toom(outputs, r).input for outputs in (2, 4, 6) for r in range(2, 10 - outputs)
    ]
    pieces = winograd_pieces.Pieces(winograd_pieces.OUTPUTS)
    for other, along in ((sfc, sfc.transforms_along), (winograd_pieces, pieces)):
        for text in ("1x9x9x9 1@2x3x4", "1x9x9x9 1@5x5x5", "1x9x9 1@5x7 s2"):
            problem = parse(text)
            if other.supports(problem):
                matrices += [along(axis).input for axis in problem.axes]
    for matrix in matrices:
        largest = max(entry.denominator for row in matrix for entry in row)
        assert largest**3 <= 2**24  # for three axes, in float32


def test_scales_are_powers_of_two_for_small_numbers_only() -> None:
    problem = parse("2x5x5 3@3x3")
    given = random_operands(problem)
    assert input_scale(given.input, problem.format) == 1
    assert torch.equal(
        filter_scales(given.weight, problem.format).flatten(), torch.ones(3).double()
    )
    given.input[0, 1, 2, 2] = 1e-42
    given.weight[0] = 0
    given.weight[1] *= 1e-40
    given.weight[2, 0, 1, 1] = 1e-42
    assert input_scale(given.input, problem.format) == 2**24
    assert filter_scales(given.weight, problem.format).flatten().tolist() == [1, 2**48, 1]
