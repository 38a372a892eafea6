"""A function that takes a problem takes its shorthand too, and refuses what is neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import glassconv
from glassconv.problem.operands import random_operands, to_numpy

TEXT, TRANSPOSED = "2x6x6 3@3x3 p1", "2x6x6 3@3x3 s2 transposed"
FUNCTIONS: dict[str, Callable[[Any], object]] = {
    "choose": glassconv.choose,
    "trace": lambda problem: glassconv.trace(problem, "direct"),
    "verify": lambda problem: glassconv.verify(problem, "direct"),
    "explain": glassconv.explain,
}
CONVOLUTIONS: dict[str, Callable[[Any], object]] = {
    "backward": lambda problem: glassconv.backward(problem, "direct"),
    "same": glassconv.same,
}
ALL = pytest.mark.parametrize("function", [*FUNCTIONS.values(), *CONVOLUTIONS.values()])


@ALL
def test_a_text_is_the_problem_it_describes(function: Callable[[Any], object]) -> None:
    assert function(TEXT) == function(glassconv.parse(TEXT))


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_text_may_be_transposed(function: Callable[[Any], object]) -> None:
    assert function(TRANSPOSED) == function(glassconv.parse_transposed(TRANSPOSED))


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("problem", [TRANSPOSED, glassconv.parse_transposed(TRANSPOSED)])
def test_gradients_of_a_transposed_convolution_are_refused(name: str, problem: object) -> None:
    with pytest.raises(glassconv.UnsupportedError, match=f"{name} takes a convolution"):
        CONVOLUTIONS[name](problem)


@ALL
def test_what_is_no_problem_is_refused(function: Callable[[Any], object]) -> None:
    with pytest.raises(glassconv.ShorthandError, match=r"filters are written OUT@KxK"):
        function("2x6x6 3y3")
    with pytest.raises(glassconv.ArgumentTypeError, match="not a list"):
        function([2, 6, 6])


def test_outputs_are_compared_by_text() -> None:
    operands = random_operands(TEXT)
    assert torch.equal(operands.input, random_operands(glassconv.parse(TEXT)).input)
    bound = glassconv.choose(TEXT, "direct").candidates[0].bound
    assert bound is not None
    output = to_numpy(glassconv.conv2d(operands.input, operands.weight, operands.bias, padding=1))
    assert glassconv.judge(TEXT, "mine", output, operands, bound).verdict.ok
    pair = ("mine", output, bound)
    assert glassconv.compare(TEXT, operands, pair, pair).maximum == 0
