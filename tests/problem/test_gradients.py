"""Both gradients as convolutions: autograd's values, within each algorithm's own bound."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from glassconv.algorithms import ALGORITHMS
from glassconv.errors import UnsupportedError
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import WeightGradient, input_gradient
from glassconv.problem.operands import Operands, random_grad_output, random_operands
from glassconv.verification.verify import verify
from support.cases import CASES
from support.random_problems import problems
from support.references import by_torch, whole_numbers

FULL = {name: problem for name, problem in CASES.items() if problem.batch}


def convolutions_of(problem: ConvProblem) -> tuple[ConvProblem, ConvProblem]:
    """Return what gives the input's gradient, and what gives the weight's."""
    return input_gradient(problem).convolution, WeightGradient(problem).convolution


def autograds(problem: ConvProblem, operands: Operands, grad_output: Tensor) -> tuple[Tensor, ...]:
    """Return PyTorch's gradients of input and weight."""
    leaves = operands.input.requires_grad_(), operands.weight.requires_grad_()
    return torch.autograd.grad(by_torch(problem, operands), leaves, grad_output)


@pytest.mark.thorough
@settings(max_examples=300)
@given(problem=problems(dtypes=["float64"]))
def test_both_convolutions_are_the_gradients(problem: ConvProblem) -> None:
    """In whole numbers, so that the order of the sums does not matter."""
    operands = whole_numbers(problem)
    grad_output = random_grad_output(problem).mul(4).round()
    expected = autograds(problem, operands, grad_output)
    input, weight = operands.input.detach(), operands.weight.detach()
    direct = ALGORITHMS["direct"]

    transposed = input_gradient(problem)
    assert transposed.output_shape == problem.input_shape
    given = Operands(*transposed.convolution_arrays(grad_output, weight, None))
    given.check(transposed.convolution)
    output = direct.run(transposed.convolution, given.input, given.weight, None)
    assert torch.equal(transposed.cut(output), expected[0])

    if problem.batch == 0:
        return
    gradient = WeightGradient(problem)
    given = gradient.operands(input, grad_output)
    given.check(gradient.convolution)
    output = direct.run(gradient.convolution, given.input, given.weight, None)
    assert torch.equal(gradient.cut(output), expected[1])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("problem", "algorithm"),
    [
        pytest.param(problem, name, id=f"{case}-{name}")
        for case, problem in FULL.items()
        for name, algorithm in ALGORITHMS.items()
        if any(map(algorithm.supports, convolutions_of(problem)))
    ],
)
def test_every_algorithm_keeps_its_bound_on_both_gradients(
    problem: ConvProblem, algorithm: str
) -> None:
    operands, grad_output = random_operands(problem), random_grad_output(problem)
    of_input = Operands(
        *input_gradient(problem).convolution_arrays(grad_output, operands.weight, None)
    )
    of_weight = WeightGradient(problem).operands(operands.input, grad_output)
    tried = 0
    for convolution, arrays in zip(convolutions_of(problem), (of_input, of_weight), strict=True):
        if ALGORITHMS[algorithm].supports(convolution):
            result = verify(convolution, algorithm, arrays)
            assert result.verdict, f"{convolution}: {result.verdict.reason}"
            tried += 1
    assert tried


def test_an_empty_batch_has_no_weight_gradient_to_convolve() -> None:
    empty = CASES["empty batch"]
    with pytest.raises(UnsupportedError, match="is zero"):
        WeightGradient(empty).convolution  # noqa: B018
    assert input_gradient(empty).convolution.batch == 0


def test_the_gradient_of_a_gradient_is_the_convolution() -> None:
    """Transposing twice gives the first convolution's own shapes back."""
    problem = replace(CASES["stride that leaves a rest"], bias=False)
    assert input_gradient(problem).output_size == problem.input_size
    assert input_gradient(problem).input_size == problem.output_size
