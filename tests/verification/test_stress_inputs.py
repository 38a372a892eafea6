"""Hard operands: they are what they are called, and no algorithm breaks its bound on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from glassconv.algorithms import ALGORITHMS, Algorithm, named
from glassconv.problem import ConvProblem
from glassconv.problem.operands import to_numpy
from glassconv.problem.shorthand import parse
from glassconv.verification.definition import definition
from glassconv.verification.stress_inputs import STRESS_INPUTS, run_stress_inputs
from support.cases import CASES
from support.random_problems import problems
from support.references import literal
from support.supported_cases import SUPPORTED, supporting

HARD = parse("3x9x8 4@3x3 p1")
EVERY_TYPE = pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
SPREADS = {"fft", "fft_overlap_add", "toeplitz"}


@pytest.mark.thorough
@SUPPORTED
def test_no_algorithm_breaks_its_bound(algorithm: Algorithm, problem: ConvProblem) -> None:
    for kind, found in run_stress_inputs(problem, [algorithm.name]):
        assert found.verdict, f"{kind}: {found.verdict.reason}"


@pytest.mark.thorough
@settings(max_examples=40)
@given(problem=problems())
def test_no_algorithm_breaks_its_bound_on_random_problems(problem: ConvProblem) -> None:
    assert_within_bounds(problem)


@pytest.mark.slow
@settings(max_examples=400)
@given(problem=problems())
def test_no_algorithm_breaks_its_bound_on_more_random_problems(problem: ConvProblem) -> None:
    assert_within_bounds(problem)


def assert_within_bounds(problem: ConvProblem) -> None:
    for kind, found in run_stress_inputs(problem, supporting(problem)):
        assert found.verdict, f"{kind}: {found.candidate}: {found.verdict.reason}"


@pytest.mark.parametrize("kind", STRESS_INPUTS)
@pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
def test_they_are_operands_of_the_problem_and_the_same_each_time(
    problem: ConvProblem, kind: str
) -> None:
    make = STRESS_INPUTS[kind].make
    operands, again, other = make(problem, 3), make(problem, 3), make(problem, 4)
    operands.check(problem)
    assert torch.equal(operands.weight, again.weight)
    assert torch.allclose(operands.input, again.input, rtol=0, atol=0, equal_nan=True)
    if problem.weight_shape[1:] != (1, 1, 1):
        assert not torch.equal(operands.weight, other.weight)


@EVERY_TYPE
def test_whole_numbers_have_a_known_answer_that_plain_sums_hit(dtype: str) -> None:
    problem = parse(f"3x9x8 4@3x3 p1 {dtype}")
    operands = STRESS_INPUTS["integers"].make(problem, 0)
    for array in (operands.input, operands.weight, operands.bias):
        assert array is not None
        assert torch.equal(array, array.round())
        assert array.abs().max() == 2
    assert (definition(problem, operands).output == literal(problem, operands)).all()
    found = {each.candidate: each for kind, each in run_stress_inputs(problem, supporting(problem))
             if kind == "integers"}  # fmt: skip
    plain = [name for name in found if named(name).error_bound(problem).window_factor <= 1]
    assert {"direct", "im2col", "aten"} <= {*plain}
    assert all(found[name].max_error == 0 for name in plain)


def test_a_far_pixel_of_a_million_is_the_last() -> None:
    input = STRESS_INPUTS["outlier"].make(HARD, 0).input
    assert input[-1, -1, -1, -1] == 1e6
    assert input.flatten()[:-1].abs().max() < 10


@EVERY_TYPE
def test_what_cancels_leaves_little_of_its_terms(dtype: str) -> None:
    problem = parse(f"8x9x9 4@3x3 {dtype}")
    truth = definition(problem, STRESS_INPUTS["cancelling"].make(problem, 0))
    left = np.abs(truth.output) / truth.magnitude
    assert left.max() < 3 * 2.0**-8 if dtype == "bfloat16" else left.max() < 3e-3


@EVERY_TYPE
def test_denormal_pixels_are_below_the_smallest_normal_number(dtype: str) -> None:
    problem = parse(f"3x9x8 4@3x3 p1 {dtype}")
    input = STRESS_INPUTS["subnormal"].make(problem, 0).input
    assert 0 < input.abs().max() < torch.finfo(getattr(torch, dtype)).tiny


@EVERY_TYPE
def test_huge_sums_come_near_the_largest_number_and_stay_below(dtype: str) -> None:
    problem = parse(f"3x9x8 4@3x3 p1 {dtype}")
    operands = STRESS_INPUTS["near overflow"].make(problem, 0)
    largest = float(np.abs(definition(problem, operands).output).max())
    assert problem.format.largest / 8 < largest < problem.format.largest


@pytest.mark.parametrize("algorithm", supporting(HARD))
def test_nan_and_infinity_reach_what_the_definition_says_or_a_tile_of_it(algorithm: str) -> None:
    found = dict(run_stress_inputs(HARD, [algorithm]))["NaN, ∞"]
    windows = 4 * (2 * 2 + 2 * 2)  # both corners, with padding 1, in each of four filters
    assert found.not_finite_by_definition == windows
    assert found.not_finite >= windows
    assert (found.not_finite == windows) or algorithm in SPREADS
    if ALGORITHMS[algorithm].error_bound(HARD).local:
        assert found.not_finite == windows


def test_infinity_is_last_and_nan_first() -> None:
    input = to_numpy(STRESS_INPUTS["NaN, ∞"].make(HARD, 0).input).ravel()
    assert np.isnan(input[0])
    assert np.isposinf(input[-1])
    assert np.isfinite(input[1:-1]).all()
