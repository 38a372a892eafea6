"""Both gradients step by step: convolution and product agree, and every array is kept."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

from glassconv.errors import ShapeError, UnsupportedError
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.gradients import WeightGradient, input_gradient
from glassconv.problem.operands import Operands, random_grad_output, random_operands
from glassconv.problem.shorthand import parse
from glassconv.tracing.backward import backward
from glassconv.verification.definition import definition
from support.cases import CASES
from support.references import by_torch

FULL = {name: problem for name, problem in CASES.items() if problem.batch}


def absolute(operands: Operands) -> Operands:
    return Operands(operands.input.abs(), operands.weight.abs(), None)


@pytest.mark.parametrize("problem", FULL.values(), ids=FULL)
def test_the_two_ways_agree_as_far_as_rounding_lets_them(problem: ConvProblem) -> None:
    """Each is within (n + 1)·u·Σ|g||w| of the truth, so the two within twice that."""
    both, operands, gradient = (
        backward(problem),
        random_operands(problem),
        random_grad_output(problem),
    )
    transposed, weights = input_gradient(problem), WeightGradient(problem)
    for name, other, how, given in (
        (
            "grad_input",
            "folded",
            transposed,
            Operands(*transposed.convolution_arrays(gradient, operands.weight, None)),
        ),
        ("grad_weight", "product", weights, weights.operands(operands.input, gradient)),
    ):
        scale = definition(how.convolution, absolute(given)).output
        n = how.convolution.taps_per_output + 1
        bound = 2 * n * (FORMATS[problem.dtype].unit_roundoff * scale + problem.format.tiny)
        difference = np.abs(both[name].astype(np.float64) - both[other].astype(np.float64))
        assert both[name].shape == both[other].shape
        assert (difference <= how.cut(torch.from_numpy(bound)).numpy()).all()


def test_whole_numbers_give_autograds_gradients_exactly() -> None:
    problem = parse("4x9x8 6@3x2 s2x1 p1:0x2 d1x2 g2 float64")
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randint(-5, 6, shape, generator=generator).double()

    operands = Operands(draw(*problem.input_shape), draw(*problem.weight_shape), draw(6))
    gradient = draw(*problem.output_shape)
    leaves = [array.requires_grad_() for array in (operands.input, operands.weight, operands.bias)
              if array is not None]  # fmt: skip
    expected = torch.autograd.grad(by_torch(problem, operands), leaves, gradient)
    both = backward(problem, "im2col", operands, gradient)
    assert both.algorithm == "im2col"
    for names, truth in zip(
        (("grad_input", "folded"), ("grad_weight", "product"), ("grad_bias",)),
        expected,
        strict=True,
    ):
        for name in names:
            assert (both[name] == truth.numpy()).all()


def test_it_says_what_ran_each_of_the_two(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = parse("3x8x8 2@3x3")
    gradient_of_weight = WeightGradient(problem).convolution

    def plain_sums(convolution: ConvProblem) -> str:
        return "depthwise" if convolution == gradient_of_weight else "mec"

    module = importlib.import_module("glassconv.tracing.backward")
    monkeypatch.setattr(module, "plain_sums", plain_sums)
    assert backward(problem).algorithm == "mec and depthwise"


def test_what_it_is_given_is_left_alone() -> None:
    problem = parse("2x5x5 3@3x3")
    operands = random_operands(problem)
    before = operands.copy()
    backward(problem, operands=operands)
    assert torch.equal(operands.input, before.input)
    assert torch.equal(operands.weight, before.weight)


def test_refusals() -> None:
    problem = parse("2x5x5 3@3x3")
    with pytest.raises(ShapeError, match=r"grad_output must be of shape \(1, 3, 3, 3\)"):
        backward(problem, grad_output=torch.zeros(1, 3, 5, 5))
    with pytest.raises(UnsupportedError, match="empty batch"):
        backward(parse("0x2x5x5 3@3x3"))
    with pytest.raises(UnsupportedError, match="needs"):
        backward(problem, "pointwise")
    with pytest.raises(KeyError, match="folded"):
        backward(problem)["nothing"]
