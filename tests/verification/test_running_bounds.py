"""The two bounds of the published order: one is never exceeded, one not by random operands."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf, log, prod, sqrt
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
import torch
from typer.testing import CliRunner

from glassconv import Operands, parse
from glassconv.algorithms import named
from glassconv.algorithms.ordered import BLOCK, taps
from glassconv.cli import app
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.operands import random_operands, to_numpy
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.verification.running_bounds import (
    ORDERED,
    PROBABILITY,
    SAMPLE,
    bounds_of,
    running_bounds,
    sample,
)
from glassconv.verification.stress_inputs import STRESS_INPUTS
from support.random_problems import SMALL, random_problem, random_transposed_problem

U, TINY = FORMATS["float32"].unit_roundoff, FORMATS["float32"].tiny
LIKELY = sqrt(2 * log(2 / PROBABILITY))  # of one output
EVERY: tuple[slice, ...] = (slice(None),) * 3
Fractions = npt.NDArray[np.object_]
MOST = 10_000  # products to add up in fractions


def exact_errors(problem: Problem, operands: Operands) -> list[float]:
    """Return |y − exact| of every output of the published order; ∞ where y is not finite."""
    arrays = (operands.input, operands.weight, operands.bias)
    computed = to_numpy(named(ORDERED).run(problem, *arrays)).ravel()
    pairs = zip(computed, _exact(problem, operands).ravel(), strict=True)
    return [float(abs(Fraction(float(y)) - e)) if np.isfinite(y) else inf for y, e in pairs]


def _exact(problem: Problem, operands: Operands) -> Fractions:
    """Return the outputs as fractions; numbers that are not finite count as zero."""
    batch, groups, ones = problem.batch, problem.groups, (1,) * problem.ndim
    flipped = operands.weight
    if isinstance(problem, TransposedProblem):
        flipped = problem.flip(flipped)
    w = _fractions(flipped).reshape(
        groups, problem.out_channels // groups, -1, *problem.kernel_size
    )
    x = _fractions(operands.input).reshape(batch, groups, 1, -1, *problem.input_size)
    y = np.full((batch, groups, w.shape[1], *problem.output_size), Fraction(0))
    if operands.bias is not None:
        y = y + _fractions(operands.bias).reshape(groups, -1, *ones)
    for tap, writes, reads in taps(problem):
        for channel in range(w.shape[2]):
            scale = w[:, :, channel][EVERY[:2] + tap].reshape(groups, -1, *ones)
            y[EVERY[:3] + writes] += scale * x[:, :, :, channel][EVERY[:3] + reads]
    return y


def _fractions(tensor: torch.Tensor) -> Fractions:
    finite = np.nan_to_num(to_numpy(tensor).astype(np.float64), nan=0, posinf=0, neginf=0)
    fractions: Fractions = np.vectorize(Fraction, otypes=[object])(finite)
    return fractions


def small_problem(seed: int) -> Problem:
    """Return a random problem, transposed one time in three, of few products."""
    random = Random(seed)
    while True:
        draw = random_transposed_problem if seed % 3 == 2 else random_problem
        problem: Problem = draw(random, SMALL)
        if 0 < problem.macs < MOST:
            return problem


@pytest.mark.parametrize("kind", STRESS_INPUTS)
@pytest.mark.parametrize("seed", range(8))
def test_no_error_exceeds_the_guaranteed_bound(seed: int, kind: str) -> None:
    for dtype in ("float32", "float64", "bfloat16", "float16"):
        problem = replace(small_problem(seed), dtype=dtype)
        operands = STRESS_INPUTS[kind].make(problem, seed)
        outputs = np.arange(prod(problem.output_shape))
        bounds = bounds_of(problem, operands, outputs)
        for error, bound in zip(exact_errors(problem, operands), bounds.guaranteed, strict=True):
            assert error <= bound
        assert (bounds.probable <= bounds.guaranteed).all()


@pytest.mark.parametrize("text", ["40x6x6 5@3x3 p1", "600x4x4 7@1x1 nobias", "9x12 9@5 g9 p2"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_random_error_exceeds_either_bound(text: str, seed: int, dtype: str) -> None:
    problem = replace(parse(text), dtype=dtype)
    operands = random_operands(problem, seed)
    errors = exact_errors(problem, operands)
    bounds = bounds_of(problem, operands, np.arange(len(errors)))
    assert (errors <= bounds.probable).all()
    assert (errors <= bounds.guaranteed).all()


@pytest.mark.parametrize(
    "text", ["64x14x14 32@3x3 p1 nobias", "256x8x8 64@1x1 nobias", "32x15x15 32@3x3 p1 g32"]
)
def test_the_bounds_are_near_the_worst_of_many_errors(text: str) -> None:
    found = running_bounds(text)
    assert found.verdict
    assert found.improbable == 0
    assert found.error <= found.probable <= 10 * found.error
    assert found.probable <= found.guaranteed <= 50 * found.error


def dot(x: list[float], w: list[float], bias: float | None = None) -> tuple[float, float]:
    """Return both bounds of one inner product in float32."""
    problem = replace(parse(f"1x{len(x)} 1@{len(x)}"), bias=bias is not None)
    bias_ = None if bias is None else torch.tensor([bias])
    input, weight = (torch.tensor(each).reshape(1, 1, -1) for each in (x, w))
    bounds = bounds_of(problem, Operands(input, weight, bias_), np.arange(1))
    return float(bounds.guaranteed[0]), float(bounds.probable[0])


def test_a_bound_is_the_sum_of_half_units_in_the_last_place() -> None:
    assert dot([1.5, 1.5, 0.0], [1.0, 1.0, 1.0])[0] == pytest.approx(U + 2 * U)
    assert dot([1.5, 1.5, 0.0], [1.0, 1.0, 1.0], 5.0)[0] == pytest.approx(U + 2 * U + 8 * U)


def test_blocks_are_bounded_each_and_so_is_their_sum() -> None:
    ones = [1.5] + (BLOCK - 1) * [0.0]
    assert dot(2 * ones, 2 * BLOCK * [1.0])[0] == pytest.approx(U + U + 2 * U)


def test_the_second_bound_is_for_all_outputs_together() -> None:
    terms = 200 * [1.5, -1.5]
    one = dot(terms, 400 * [1.0])[1]
    problem = parse("1x400 10@400 nobias")
    input, weight = torch.tensor(terms).reshape(1, 1, -1), torch.ones(10, 1, 400)
    ten = bounds_of(problem, Operands(input, weight, None), np.arange(10)).probable
    assert ten / one == pytest.approx(sqrt(2 * log(20 / PROBABILITY)) / LIKELY)


def test_roundings_that_all_go_one_way_exceed_the_second_bound_only() -> None:
    guaranteed, probable = dot([1.0] + 255 * [U], 256 * [1.0])
    error = 255 * U  # each sum is halfway between 1 and the next number, and becomes 1
    assert probable < error <= guaranteed
    halfway = torch.tensor([1.0] + 255 * [U]).reshape(1, 1, -1)
    operands = Operands(halfway, torch.ones(1, 1, 256), None)
    found = running_bounds("1x256 1@256 nobias", operands)
    assert found.verdict
    assert (found.error, found.improbable) == (error, 1)


def test_underflow_loses_a_smallest_number_for_each_product() -> None:
    assert dot(3 * [TINY], 3 * [0.5])[0] == pytest.approx(3 * TINY)


def test_there_is_no_bound_where_a_sum_may_overflow_or_is_not_a_number() -> None:
    for x in ([3e38, 3e38], [inf, 1.0], [float("nan"), 1.0]):
        assert dot(x, [1.0, 1.0]) == (inf, inf)
    assert dot([3e38, -3e38], [1.0, 1.0])[0] < inf
    assert dot([0.0, 1.0], [inf, 1.0])[0] == inf


def test_zeros_and_padding_are_exact() -> None:
    assert dot(3 * [0.0], 3 * [1.0], 1.0) == (0.0, 0.0)
    problem = parse("1x1 1@3 p1 nobias")
    operands = Operands(torch.full((1, 1, 1), 1.5), torch.ones(1, 1, 3), None)
    assert bounds_of(problem, operands, np.arange(1)).guaranteed[0] == pytest.approx(U)


def test_a_large_problem_is_sampled() -> None:
    problem = parse("1x80x80 2@1x1")
    outputs = sample(problem)
    assert len(np.unique(outputs)) == SAMPLE
    assert outputs.max() < 2 * 80 * 80
    assert running_bounds(problem).outputs == SAMPLE


def test_an_empty_output_has_no_error() -> None:
    found = running_bounds("0x3x8x8 2@3x3")
    assert found.verdict
    assert (found.outputs, found.error, found.guaranteed) == (0, 0.0, 0.0)


def test_an_error_beyond_the_bound_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(problem: Problem, algorithm: str, *arrays: torch.Tensor) -> torch.Tensor:
        return named(algorithm).run(problem, *arrays) + 1

    monkeypatch.setattr("glassconv.verification.running_bounds.run", wrong)
    found = running_bounds("3x8x8 2@3x3")
    assert not found.verdict
    assert found.verdict.reason == "72 of 72 errors exceed the guaranteed bound"
    shown = CliRunner().invoke(app, ["verify", "3x8x8", "2@3x3", "--algorithm", "ordered"])
    assert shown.exit_code == 1
    assert "published order: 72 of 72 errors exceed" in shown.stdout


def test_the_command_prints_both_bounds() -> None:
    shown = CliRunner().invoke(app, ["verify", "3x8x8", "2@3x3", "--algorithm", "ordered"])
    assert shown.exit_code == 0
    assert "Bounds of the published order" in shown.stdout
    assert "guaranteed" in shown.stdout
    assert "with probability 1 − 1e-10" in shown.stdout
    other = CliRunner().invoke(app, ["verify", "3x8x8", "2@3x3", "--algorithm", "im2col"])
    assert "published order" not in other.stdout
