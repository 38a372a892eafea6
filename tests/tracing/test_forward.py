"""A trace keeps every array an algorithm made, and keeps it as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glassconv.algorithms import Algorithm
from glassconv.dispatch.select import choose
from glassconv.errors import UnknownNameError
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.problem import Problem
from glassconv.problem.shorthand import parse
from glassconv.tracing.forward import trace
from support.cases import CASES
from support.references import whole_numbers
from support.supported_cases import PLAIN_SUMS, SUPPORTED

CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
PROBLEM = CASES["everything at once"]


@SUPPORTED
def test_a_trace_is_the_run(algorithm: Algorithm, problem: Problem) -> None:
    given = random_operands(problem)
    traced = trace(problem, algorithm.name, given)
    assert (traced.subject, traced.algorithm) == (problem, algorithm.name)
    made = list(algorithm.steps(problem, given.input, given.weight, given.bias))
    assert [step.name for step in traced.steps] == [step.name for step in made]
    for kept, step in zip(traced.steps, made, strict=True):
        assert isinstance(kept.array, np.ndarray)
        np.testing.assert_array_equal(kept.array, to_numpy(step.array))
    np.testing.assert_array_equal(traced.output, traced.steps[-1].array)


@CASE
def test_a_trace_keeps_its_operands(problem: ConvProblem) -> None:
    given = random_operands(problem, seed=3)
    traced = trace(problem, seed=3)
    np.testing.assert_array_equal(traced.input, to_numpy(given.input))
    np.testing.assert_array_equal(traced.weight, to_numpy(given.weight))
    assert (traced.bias is None) is (given.bias is None)
    if given.bias is not None:
        np.testing.assert_array_equal(traced.bias, to_numpy(given.bias))


@pytest.mark.parametrize("algorithm", PLAIN_SUMS.values(), ids=PLAIN_SUMS)
def test_a_trace_stays_when_its_operands_are_written_over(algorithm: Algorithm) -> None:
    problem = CASES["one channel, one filter"]
    given = whole_numbers(problem)
    assert given.bias is not None
    traced = trace(problem, algorithm.name, given)
    untouched = trace(problem, algorithm.name, whole_numbers(problem))
    for operand in (given.input, given.weight, given.bias):
        operand.fill_(7)
    for kept, before in zip(traced.steps, untouched.steps, strict=True):
        np.testing.assert_array_equal(kept.array, before.array)
    np.testing.assert_array_equal(traced.input, untouched.input)
    np.testing.assert_array_equal(traced.weight, untouched.weight)
    np.testing.assert_array_equal(traced.bias, untouched.bias)


def test_im2col_pads_unfolds_multiplies_and_views() -> None:
    traced = trace(parse("5x3x6x6 4@3x3 p1"), "im2col")
    assert {step.name: step.array.shape for step in traced.steps} == {
        "padded": (5, 3, 8, 8),
        "windows": (5, 3, 6, 6, 3, 3),
        "columns": (5, 27, 36),
        "rows": (1, 4, 27),
        "product": (5, 4, 36),
        "output": (5, 4, 6, 6),
    }


def test_auto_traces_what_auto_runs() -> None:
    assert trace(PROBLEM).algorithm == choose(PROBLEM).algorithm


def test_bfloat16_is_kept_as_float32() -> None:
    traced = trace(CASES["bfloat16"], "im2col")
    arrays = [traced.input, traced.weight, *(step.array for step in traced.steps)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_a_layers_own_weights_can_be_traced() -> None:
    layer = torch.nn.Conv2d(3, 2, 3)
    problem = parse("3x5x5 2@3x3")
    given = Operands(torch.ones(problem.input_shape, requires_grad=True), layer.weight, layer.bias)
    np.testing.assert_array_equal(
        trace(problem, "aten", given).output, to_numpy(layer(given.input))
    )
    assert given.input.grad is None


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'im2col'"):
        trace(PROBLEM, "im2cols")
