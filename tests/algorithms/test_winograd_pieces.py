"""Decomposed Winograd: what it saves, that tiles with stride keep the promise, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest
import torch

from glassconv import conv2d
from glassconv.algorithms import named
from glassconv.algorithms.parts.winograd_bound import window_factor
from glassconv.algorithms.parts.winograd_transforms import transforms_of
from glassconv.algorithms.winograd_pieces import OUTPUTS, Pieces
from glassconv.problem.operands import random_operands
from glassconv.problem.shorthand import parse
from glassconv.verification.verify import verify
from support.references import whole_numbers

NAME = "winograd_pieces"
PROBLEM = pytest.mark.parametrize(
    "text",
    [
        "2x17 3@5 p2",
        "64x19x18 2@3x3 s2 p1",
        "3x13x14 4@7x5 s2x1 p1 float64",
        "4x9x10 6@3x1 s2x3 p2 g2 nobias",
        "2x9x8x9 3@3x4x2 s2x1x1 p1",
    ],
)


@pytest.mark.parametrize(
    ("text", "products", "outputs"),
    [
        ("1x9x9 1@3x3 s2", 81, 16),
        ("1x8x8 1@5x5", 121, 16),
        ("1x10x10 1@7x7", 256, 16),
        ("1x9 1@3 s2", 9, 4),
        ("1x9x5 1@3x1 s2", 9 * 1, 4 * 1),
    ],
)
def test_the_products_of_one_tile(text: str, products: int, outputs: int) -> None:
    transforms = transforms_of(parse(text), Pieces(OUTPUTS))
    assert prod(len(each.input) for each in transforms) == products
    assert prod(len(each.output) for each in transforms) == outputs


def test_three_by_three_with_stride_two_multiplies_less_than_plain_sums_do() -> None:
    problem = parse("64x56x56 128@3x3 s2 p1 nobias")
    assert named(NAME).cost(problem).multiplications < 0.6 * problem.macs


@PROBLEM
@pytest.mark.parametrize("kind", ["one sign", "growing", "a large pixel", "tiny", "whole"])
def test_the_bound_covers_uneven_inputs(text: str, kind: str) -> None:
    problem = parse(text)
    given = random_operands(problem)
    columns = torch.arange(problem.input_size[-1])
    large = given.input.clone()
    large.view(-1)[-3] = 1e20
    changed = {
        "one sign": given.input.relu(),
        "growing": given.input * 10.0 ** (columns - 5),
        "a large pixel": large,
        "tiny": given.input * 1e-38,
        "whole": whole_numbers(problem).input,
    }[kind]
    assert verify(problem, NAME, replace(given, input=changed)).verdict.ok


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3, 16, 64, 512])
def test_smaller_tiles_keep_a_smaller_bound(channels: int, dtype: str) -> None:
    """The kernel computes tiles of two outputs, and is held to this algorithm's bound."""
    problem = parse(f"{channels}x9x9 1@3x3 s2 {dtype}")
    small, large = (window_factor(problem, Pieces(outputs)) for outputs in (2, OUTPUTS))
    assert small <= large


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
def test_nan_reaches_only_the_outputs_that_read_it(poison: float) -> None:
    problem = parse("2x4x19x18 4@3x3 s2 p1 g2")
    given = random_operands(problem)
    given.input[1, 2, 9, 6] = poison  # padded row 10 is read by outputs 4 and 5, column 7 by 3
    output = named(NAME).run(problem, given.input, given.weight, given.bias)
    expected = torch.ones(problem.output_shape, dtype=torch.bool)
    expected[1, 2:, 4:6, 3] = False
    assert torch.equal(output.isfinite(), expected)


def test_positions_that_no_output_reads_do_not_count() -> None:
    """The last row and column are past the last window, and NaN."""
    problem = parse("2x12x12 3@5x5 s2")
    given = random_operands(problem)
    given.input[..., 11, :] = given.input[..., 11] = torch.nan
    assert named(NAME).run(problem, given.input, given.weight, given.bias).isfinite().all()


def test_weights_of_whole_numbers_give_whole_numbers() -> None:
    """The named algorithm leaves them to plain sums in `default`."""
    problem = parse("64x11x11 2@3x3 s2 p1 nobias")
    given = whole_numbers(problem)
    output = conv2d(given.input, given.weight, stride=2, padding=1, algorithm=NAME)
    assert torch.equal(output, output.round())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1x9x19 1@5x5 d1x3", "needs dilation 1, got 1x3"),
        ("1x9x9 1@8x1", "needs kernel sizes up to 7, got 8x1"),
        ("1x9x9 1@2x2 s2", "needs a kernel larger than its stride, got 2x2 and stride 2x2"),
        ("1x9x9 1@3x3", "a kernel of 3x3 is one piece"),
    ],
)
def test_a_refusal_says_why(text: str, reason: str) -> None:
    verdict = named(NAME).supports(parse(text))
    assert (verdict.ok, verdict.reason) == (False, reason)
