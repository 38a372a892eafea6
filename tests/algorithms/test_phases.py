"""phases, and every algorithm beside it, on transposed problems: right for any number."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import glassconv
from glassconv.algorithms import ALGORITHMS, Algorithm, named
from glassconv.dispatch.dispatch import run
from glassconv.dispatch.select import kernel_for
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.transposed import TransposedProblem, parse_transposed
from glassconv.verification.definition import definition
from glassconv.verification.verify import verify
from support.random_problems import transposed_problems
from support.references import whole_numbers

ALGORITHM = pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
ONE_INFINITY = [
    "1x2 1@1 s2 nobias transposed",
    "1x3 1@3 nobias transposed",
    "2x3x4 2@3x2 s2x3 p1x0 transposed o1x0",
    "1x4x4 1@3x3 nobias transposed",
    "1x3x4 2@2x3 s2 d2x3 p1 nobias transposed",
    "2x2x3x2 2@2x2x2 s2 g2 transposed",
    "1x3x3x3 1@3x3x3 nobias transposed",
]


@given(transposed_problems(), st.integers(0, 2**32))
def test_within_its_bound_on_any_transposed_problem(problem: TransposedProblem, seed: int) -> None:
    checked = verify(problem, "phases", seed=seed)
    assert checked.verdict, (problem, checked.verdict.reason)


@given(transposed_problems(dtypes=["float64"]), st.integers(0, 2**32))
def test_whole_numbers_are_exact(problem: TransposedProblem, seed: int) -> None:
    checked = verify(problem, "phases", whole_numbers(problem, seed))
    assert (checked.verdict.ok, checked.max_error) == (True, 0)


@given(transposed_problems())
def test_it_multiplies_what_exists_and_nothing_else(problem: TransposedProblem) -> None:
    ones = Operands(torch.ones(problem.input_shape), torch.ones(problem.weight_shape), None)
    counted = definition(parse_as(problem), ones).output.sum()  # each product is 1
    assert named("phases").cost(problem).multiplications == counted


def parse_as(problem: TransposedProblem) -> TransposedProblem:
    """Return the same problem in float32, without a bias."""
    text = str(problem)
    for word in ("nobias", "float16", "bfloat16", "float64"):
        text = " ".join(each for each in text.split() if each != word)
    return parse_transposed(f"{text} nobias")


def test_a_convolution_is_refused_by_name() -> None:
    verdict = named("phases").supports(glassconv.parse("3x8x8 4@3x3"))
    assert not verdict
    assert "transposed" in verdict.reason


# -- infinity and NaN -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ONE_INFINITY)
@pytest.mark.parametrize("value", [inf, -inf, nan])
@ALGORITHM
def test_a_weight_that_is_not_finite_meets_inputs_only(
    algorithm: Algorithm, text: str, value: float
) -> None:
    """Neither inserted zeros nor the border's are multiplied by it, by steps or by a kernel."""
    problem = parse_transposed(text)
    if not algorithm.supports(problem):
        return
    operands = random_operands(problem)
    operands.weight.view(-1)[0] = value
    truth = definition(problem, operands).output
    outputs = [algorithm.run(problem, operands.input, operands.weight, operands.bias)]
    if kernel_for(algorithm.name, problem):
        outputs.append(run(problem, algorithm.name, operands.input, operands.weight, operands.bias))
    for output in outputs:
        found = to_numpy(output)
        for what in (np.isnan, np.isposinf, np.isneginf):
            np.testing.assert_array_equal(what(found), what(truth))
        finite = np.isfinite(truth)
        np.testing.assert_allclose(found[finite], truth[finite], rtol=1e-4, atol=1e-5)


def test_zeros_are_not_multiplied_by_infinity() -> None:
    output = glassconv.conv_transpose1d(
        torch.ones(1, 1, 2), torch.tensor([[[inf]]]), stride=2, algorithm="phases"
    )
    assert output.tolist() == [[[inf, 0, inf]]]


def one_infinite_pixel() -> Tensor:
    input = torch.ones(1, 16, 29, 29)
    input[0, 3, 14, 14] = inf
    return input


@pytest.mark.parametrize("stride", [1, 2])
def test_an_infinite_pixel_gives_no_nan_under_gradients_and_transforms(stride: int) -> None:
    input, weight = one_infinite_pixel(), torch.ones(16, 64, 3, 3)
    expected = F.conv_transpose2d(input, weight, stride=stride)

    def convolve(weight: Tensor) -> Tensor:
        return glassconv.conv_transpose2d(input, weight, stride=stride)

    two = torch.stack([weight, weight])
    for output in (
        convolve(weight),
        convolve(weight.clone().requires_grad_()).detach(),
        *torch.vmap(convolve)(two),
        torch.func.vjp(convolve, weight)[0],
    ):
        torch.testing.assert_close(output, expected)
    with torch.device("cpu"):
        torch.testing.assert_close(convolve(weight), expected)


@pytest.mark.parametrize("name", ["phases", "im2col", "kn2row"])
def test_a_named_algorithm_maps_over_the_weight(name: str) -> None:
    input, weights = torch.randn(1, 2, 4, 5).double(), torch.randn(3, 2, 4, 3, 2).double()

    def convolve(weight: Tensor) -> Tensor:
        return glassconv.conv_transpose2d(input, weight, stride=2, algorithm=name)

    torch.testing.assert_close(
        torch.vmap(convolve)(weights), torch.stack([convolve(weight) for weight in weights])
    )
