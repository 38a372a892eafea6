"""Symbolic Fourier convolution: its products, its promise, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest
import torch

from glassconv.algorithms import named
from glassconv.algorithms.parts.winograd_transforms import transforms_of
from glassconv.algorithms.sfc import transforms_along
from glassconv.problem.operands import random_operands
from glassconv.problem.shorthand import parse
from glassconv.verification.verify import verify

NAME = "sfc"
PROBLEM = pytest.mark.parametrize(
    "text",
    [
        "2x17 3@3 p1",
        "64x13x14 2@3x3 p1",
        "3x13x14 4@2x5 p0:2x1:0 float64",
        "4x9x10 6@4x1 p2 g2 nobias",
        "2x7x8x9 3@3x2x3 p1",
    ],
)


@pytest.mark.parametrize(
    ("text", "products", "outputs"),
    [("1x8x8 1@3x3", 100, 36), ("1x10x10 1@5x5", 196, 36), ("1x8x5 1@3x1", 10, 6)],
)
def test_the_products_of_one_tile(text: str, products: int, outputs: int) -> None:
    transforms = transforms_of(parse(text), transforms_along)
    assert prod(len(each.input) for each in transforms) == products
    assert prod(len(each.output) for each in transforms) == outputs


@PROBLEM
@pytest.mark.parametrize("kind", ["one sign", "growing", "a large pixel", "tiny"])
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
    }[kind]
    assert verify(problem, NAME, replace(given, input=changed)).verdict.ok


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
def test_nan_reaches_only_the_outputs_that_read_it(poison: float) -> None:
    problem = parse("2x4x19x18 4@3x3 p1 g2")
    given = random_operands(problem)
    given.input[1, 2, 9, 5] = poison
    output = named(NAME).run(problem, given.input, given.weight, given.bias)
    expected = torch.ones(problem.output_shape, dtype=torch.bool)
    expected[1, 2:, 8:11, 4:7] = False
    assert torch.equal(output.isfinite(), expected)


def test_its_error_is_nearer_to_that_of_two_outputs_than_of_four() -> None:
    problem = parse("64x28x28 16@3x3 p1 nobias")
    given = random_operands(problem)
    small, large, own = (
        verify(problem, name, given).rms_error for name in ("winograd2", "winograd4", NAME)
    )
    assert own < (small + large) / 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1x9x9 1@3x3 s2x1", "needs stride 1, got 2x1"),
        ("1x9x9 1@3x3 d1x3", "needs dilation 1, got 1x3"),
        ("1x9x9 1@1x1", "needs a kernel of more than one tap, got 1x1"),
        ("1x9x9 1@3x6", "needs kernel sizes up to 5, got 3x6"),
    ],
)
def test_a_refusal_says_why(text: str, reason: str) -> None:
    verdict = named(NAME).supports(parse(text))
    assert (verdict.ok, verdict.reason) == (False, reason)
