"""Winograd's convolution: what it saves, what its bound covers, what it spreads and refuses."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, prod

import numpy as np
import pytest
import torch

from glassconv.algorithms import named
from glassconv.algorithms.parts import winograd_bound
from glassconv.dispatch.select import choose
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.reports.error_bound import Float64, sum_of_products_bound
from glassconv.verification.definition import definition
from glassconv.verification.verify import verify
from support.references import whole_numbers

NAMES = ["winograd2", "winograd4", "winograd6"]
NAME = pytest.mark.parametrize("name", NAMES)
PROBLEM = pytest.mark.parametrize(
    "text",
    [
        "2x17 3@3 p1",
        "3x13x14 4@3x3 p1",
        "3x13x14 4@2x3 p0:2x1:0 float64",
        "4x9x10 6@3x1 p2 g2 nobias",
        "2x7x8x9 3@3x2x3 p1",
        "64x9x9 2@3x3",
    ],
)


def bracket(problem: ConvProblem, name: str, operands: Operands) -> Float64:
    scale = named(name).error_bound(problem).magnitude
    assert scale is not None
    bias = None if operands.bias is None else np.abs(to_numpy(operands.bias))
    input, weight = np.abs(to_numpy(operands.input)), np.abs(to_numpy(operands.weight))
    return scale(problem, input, weight, bias)


def within_its_bound(problem: ConvProblem, name: str, operands: Operands) -> bool:
    """Return whether every output is within its own bound."""
    return verify(problem, name, operands).verdict.ok


# -- what it saves ------------------------------------------------------------------------------


def test_a_tile_of_f_2x2_3x3_takes_16_multiplications_instead_of_36() -> None:
    """Its transforms of input and output only add; the filter's are paid once, not per image."""
    one, two = parse("1x2x2 1@3x3 p1"), parse("2x1x2x2 1@3x3 p1")
    cost = named("winograd2").cost
    assert cost(two).multiplications - cost(one).multiplications == 16
    assert two.macs - one.macs == 36
    assert cost(two).additions - cost(one).additions == 32 + 16 + 24 + 4  # Bᵀ, products, Aᵀ, bias


@pytest.mark.parametrize(
    ("name", "outputs"), [("winograd2", 2), ("winograd4", 4), ("winograd6", 6)]
)
@PROBLEM
def test_tiles(name: str, outputs: int, text: str) -> None:
    problem = parse(text)
    given = random_operands(problem)
    steps = named(name).steps(problem, given.input, given.weight, given.bias)
    shapes = {step.name: tuple(step.array.shape) for step in steps}
    per_axis = [outputs if r > 1 else 1 for r in problem.kernel_size]
    tiles = tuple(map(ceil, np.divide(problem.output_size, per_axis)))
    elements = tuple(m + r - 1 for m, r in zip(per_axis, problem.kernel_size, strict=True))
    lead = (problem.batch, problem.in_channels)
    assert shapes["tiles"] == shapes["transformed input"] == (*lead, *tiles, *elements)
    assert shapes["transformed filters"] == (*problem.weight_shape[:2], *elements)
    lead = (problem.batch, problem.out_channels)
    assert shapes["products"] == (*lead, *tiles, *elements)
    assert shapes["output tiles"] == (*lead, *tiles, *per_axis)
    products = prod(lead) * problem.weight_shape[1] * prod(tiles) * prod(elements)
    assert named(name).cost(problem).multiplications >= products


# -- what its bound covers ----------------------------------------------------------------------


@NAME
@PROBLEM
@pytest.mark.parametrize("size", [1e-38, 1e-19, 1.0, 1e15])
@pytest.mark.thorough
def test_the_bound_covers_all_sizes(name: str, text: str, size: float) -> None:
    """Also where float32's products underflow, to denormal numbers or to nothing."""
    problem = parse(text)
    given = random_operands(problem)
    given = replace(given, input=given.input * size, weight=given.weight * size)
    assert within_its_bound(problem, name, given)


@NAME
@PROBLEM
def test_the_bound_covers_a_large_pixel(name: str, text: str) -> None:
    problem = parse(text)
    given = random_operands(problem)
    given.input.view(-1)[-1] = 1e6
    assert within_its_bound(problem, name, given)


@NAME
@PROBLEM
def test_the_bound_covers_what_cancels(name: str, text: str) -> None:
    """All pixels alike and taps that add up to nothing: every output is the bias."""
    problem = parse(text)
    given = random_operands(problem)
    given.input.fill_(1 / 3)
    spatial = tuple(range(2, 2 + problem.ndim))
    given = replace(given, weight=given.weight - given.weight.mean(spatial, keepdim=True))
    assert within_its_bound(problem, name, given)


@NAME
@PROBLEM
def test_the_bound_covers_small_whole_numbers(name: str, text: str) -> None:
    problem = parse(text)
    assert within_its_bound(problem, name, whole_numbers(problem))


@NAME
@PROBLEM
def test_the_bracket_is_no_less_than_the_plain_one(name: str, text: str) -> None:
    """Its terms add up to those of Σ|x||w| + |bias|."""
    problem = parse(text)
    given = random_operands(problem)
    plain = definition(problem, given).magnitude
    # Both are computed in float64, each within its own bound.
    wide = replace(problem, dtype="float64")
    plain_rounding = sum_of_products_bound(problem.taps_per_output, wide.format).max_factor
    rounding = named(name).error_bound(wide).max_factor + plain_rounding
    assert (bracket(problem, name, given) >= plain * (1 - rounding)).all()


@NAME
def test_where_a_transform_overflows_nothing_is_promised(name: str) -> None:
    problem = parse("1x12x12 1@3x3 nobias")
    given = random_operands(problem)
    given.input.clamp_(-1, 1)
    given.input[..., 0, 0] = 3e38
    assert not np.isfinite(bracket(problem, name, given)[..., 0, 0]).any()
    assert np.isfinite(bracket(problem, name, given)[..., -1, -1]).all()
    assert within_its_bound(problem, name, given)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_roundings_of_f_2x2_3x3(dtype: str) -> None:
    """Per axis Bᵀ adds once and Aᵀ twice; 5 channels; the bias; G in float64, then narrowed."""
    problem = parse(f"5x8x8 1@3x3 {dtype}")
    filter = {"float32": 2, "float64": 2 * 4}[dtype]
    assert winograd_bound.roundings(problem, 2, dtype) == 2 * (1 + 2) + filter + 5 + 1


# -- what it spreads ----------------------------------------------------------------------------


@NAME
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
def test_nan_reaches_only_the_outputs_of_its_tiles(name: str, poison: float) -> None:
    problem = parse("2x4x19x18 4@3x3 p1 g2")
    outputs = int(name.removeprefix("winograd"))
    given = random_operands(problem)
    clean = to_numpy(named(name).run(problem, given.input, given.weight, given.bias))
    given.input[1, 2, 9, 5] = poison
    output = to_numpy(named(name).run(problem, given.input, given.weight, given.bias))

    touched = np.zeros(problem.output_shape, np.bool_)
    row, column = 9 + 1, 5 + 1  # in the padded picture
    for i in range(19):
        for j in range(18):
            tops = i // outputs * outputs, j // outputs * outputs
            reads = [range(top, top + outputs + 2) for top in tops]
            touched[1, 2:, i, j] = row in reads[0] and column in reads[1]
    assert touched.any()
    np.testing.assert_array_equal(~np.isfinite(bracket(problem, name, given)), touched)
    np.testing.assert_array_equal(output[~touched], clean[~touched])
    assert not np.isfinite(output[touched]).any()
    assert within_its_bound(problem, name, given)


@NAME
def test_strict_refuses_what_spreads_nan(name: str) -> None:
    choice = choose(parse("8x8x8 8@3x3"), accuracy="strict")
    [candidate] = [each for each in choice.candidates if each.name == name]
    assert "NaN and infinity affect only outputs that read them" in candidate.verdict.reason


# -- what it refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("1x9x9 1@3x3 s2x1", "winograd4", "needs stride 1, got 2x1"),
        ("1x9x9 1@3x3 d1x3", "winograd2", "needs dilation 1, got 1x3"),
        ("1x9x9 1@3x3 float16", "winograd2", "needs float32 or float64, got float16"),
        ("1x9x9 1@3x3 bfloat16", "winograd2", "needs float32 or float64, got bfloat16"),
        ("1x9x9 1@1x1", "winograd6", "needs a kernel of more than one tap, got 1x1"),
        ("1x9x9 1@3x4", "winograd6", "needs kernel sizes up to 3, got 3x4"),
        ("1x9 1@6", "winograd4", "needs kernel sizes up to 5, got 6"),
        ("1x9x9 1@8x1", "winograd2", "needs kernel sizes up to 7, got 8x1"),
    ],
)
def test_a_refusal_says_why(text: str, name: str, reason: str) -> None:
    verdict = named(name).supports(parse(text))
    assert (verdict.ok, verdict.reason) == (False, reason)
