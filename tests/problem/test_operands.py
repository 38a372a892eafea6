"""Random operands have the problem's shapes and come from their seed alone."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from glassconv.errors import DtypeError, ShapeError
from glassconv.problem import ConvProblem
from glassconv.problem.operands import is_finite, random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.tracing.forward import trace
from glassconv.verification.verify import verify
from support.cases import CASES

CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)


@CASE
def test_operands_have_the_problems_shapes_and_type(problem: ConvProblem) -> None:
    given = random_operands(problem)
    arrays = [given.input, given.weight] + ([] if given.bias is None else [given.bias])
    shapes = [problem.input_shape, problem.weight_shape, (problem.out_channels,)]
    assert [tuple(array.shape) for array in arrays] == shapes[: 2 + problem.bias]
    assert {str(array.dtype) for array in arrays} == {f"torch.{problem.dtype}"}


def test_a_seed_is_a_draw() -> None:
    problem = CASES["float64"]
    assert torch.equal(random_operands(problem).input, random_operands(problem, 0).input)
    assert not torch.equal(random_operands(problem).input, random_operands(problem, 1).input)


def test_element_types_are_roundings_of_the_same_draw() -> None:
    exact = random_operands(CASES["float64"])
    for name in ("float16", "bfloat16", "float32"):
        rounded = random_operands(CASES[name])
        assert torch.equal(rounded.input, exact.input.to(rounded.input.dtype))
        assert torch.equal(rounded.weight, exact.weight.to(rounded.weight.dtype))


def test_the_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    random_operands(CASES["padding"])
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_shrink_with_the_root_of_the_taps() -> None:
    """Four weights as four filters of one tap, and as one filter of four."""
    one, four = (random_operands(parse(f"1x4x4 {filters}")) for filters in ("4@1x1", "1@2x2"))
    assert torch.equal(one.input, four.input)
    assert torch.equal(one.weight.flatten(), 2 * four.weight.flatten())


@CASE
def test_a_copy_has_memory_of_its_own(problem: ConvProblem) -> None:
    given, untouched = random_operands(problem), random_operands(problem)
    given.weight.requires_grad_()
    copy = given.copy()
    assert not copy.weight.requires_grad
    with torch.no_grad():
        for array in (given.input, given.weight, given.bias):
            if array is not None:
                array.fill_(7)
    assert torch.equal(copy.input, untouched.input)
    assert torch.equal(copy.weight, untouched.weight)
    assert (copy.bias is None) is (untouched.bias is None)
    if copy.bias is not None and untouched.bias is not None:
        assert torch.equal(copy.bias, untouched.bias)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.float16, np.float16),
        (torch.bfloat16, np.float32),
        (torch.float32, np.float32),
        (torch.float64, np.float64),
    ],
)
def test_numpy_has_the_same_values(dtype: torch.dtype, expected: type) -> None:
    tensor = torch.tensor([[1 / 3, -2.0], [0.0, 1e4]], dtype=dtype, requires_grad=True)
    array = to_numpy(tensor)
    assert type(array) is np.ndarray
    assert array.dtype == expected
    assert array.tolist() == tensor.tolist()


@pytest.mark.parametrize(
    ("change", "error", "cause"),
    [
        ({"input": torch.zeros(1, 3, 6, 5)}, ShapeError, "the input must be of shape (1, 3, 6, 6)"),
        ({"weight": torch.zeros(2, 3, 3)}, ShapeError, "but it is of (2, 3, 3)"),
        ({"bias": torch.zeros(1)}, ShapeError, "the bias must be of shape (2,), but it is of (1,)"),
        ({"bias": None}, ShapeError, "the bias must be of shape (2,), but it is of None"),
        ({"weight": torch.zeros(2, 3, 3, 3).double()}, DtypeError, "must be float32"),
    ],
)
def test_operands_of_another_problem_are_refused(
    change: dict[str, Tensor | None], error: type[Exception], cause: str
) -> None:
    problem = parse("3x6x6 2@3x3")
    wrong = replace(random_operands(problem), **change)  # type: ignore[arg-type]  # one of three
    for use in (verify, trace):
        with pytest.raises(error, match=re.escape(cause)):
            use(problem, "im2col", wrong)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [torch.nan, -torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [0, 17, 107])
def test_a_number_that_is_not_finite_is_found(dtype: torch.dtype, value: float, place: int) -> None:
    weight = torch.randn(4, 3, 3, 3).to(dtype)
    for given in (weight, weight.transpose(0, 1), weight.to(memory_format=torch.channels_last)):
        assert is_finite(given)
    weight.view(-1)[place] = value
    for given in (weight, weight.transpose(0, 1), weight.to(memory_format=torch.channels_last)):
        assert not is_finite(given)


def test_the_largest_numbers_and_none_are_finite() -> None:
    assert is_finite(torch.full((3, 5), torch.finfo(torch.float32).max))
    assert is_finite(torch.ones(0, 3, 3, 3))
