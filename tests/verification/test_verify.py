"""Each element is held to its own bound: what is wrong is found and named, what is right passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from glassconv.algorithms import ALGORITHMS, named
from glassconv.dispatch.dispatch import run
from glassconv.errors import ShapeError, UnknownNameError
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.reports.array import Array
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.verification import Verification
from glassconv.verification.definition import definition
from glassconv.verification.verify import compare, judge, verification_targets, verify
from support.cases import CASES
from support.random_problems import problems
from support.references import by_torch, literal, whole_numbers
from support.supported_cases import PLAIN_SUMS, supporting

PROBLEM = CASES["everything at once"]
INDEX = (1, 4, 2, 1)


def bound_of(problem: ConvProblem) -> ErrorBound:
    return named("direct").error_bound(problem)


def judged(
    problem: ConvProblem, output: Array, operands: Operands, bound: ErrorBound | None = None
) -> Verification:
    return judge(problem, "candidate", output, operands, bound or bound_of(problem))


def right(problem: ConvProblem, operands: Operands) -> npt.NDArray[np.float64]:
    return literal(problem, operands).astype(np.float64)


# -- found and named ----------------------------------------------------------------------------


@given(problems(dtypes=["float32", "float64"]), st.integers(0, 9), st.randoms())
def test_one_wrong_element_is_found_and_named(
    problem: ConvProblem, seed: int, random: Random
) -> None:
    """In whole numbers of −2 … 2 every bound of these problems is below 1."""
    assume(problem.batch and problem.macs <= 20_000)
    operands = whole_numbers(problem, seed)
    output = right(problem, operands)
    index = tuple(random.randrange(size) for size in output.shape)
    output[index] += 1
    checked = judged(problem, output, operands)
    assert not checked.verdict
    assert checked.worst is not None
    assert (checked.worst.index, checked.worst.error, checked.max_error) == (index, 1, 1)
    assert checked.worst.value == checked.worst.reference + 1 == output[index]
    assert checked.share == 1 / checked.worst.bound
    assert checked.rms_error == math.sqrt(1 / output.size)


def test_the_worst_is_the_one_furthest_beyond_its_own_bound() -> None:
    """Not the largest error: a large sum may be off by more than a small one."""
    problem = parse("2x2x1x1 1@1x1 nobias")
    weight = torch.ones(problem.weight_shape)
    input = torch.tensor([[2.0**20, 2.0**20], [1.0, 1.0]]).reshape(problem.input_shape)
    output = np.array([2.0**21 + 2**-4, 2 + 2**-8]).reshape(problem.output_shape)
    checked = judged(problem, output, Operands(input, weight, None))
    assert checked.worst is not None
    assert checked.worst.index == (1, 0, 0, 0)
    assert (checked.worst.error, checked.max_error) == (2**-8, 2**-4)
    assert checked.relative_error == 2**-4 / 2**21
    assert not checked.verdict


def cancelling() -> tuple[ConvProblem, Operands]:
    """Return 3 · 1 − 3 · 1 + 0: the definition is 0, so an output is its own error."""
    problem = parse("2x1x1 1@1x1")
    input = torch.tensor([3.0, -3.0]).reshape(problem.input_shape)
    return problem, Operands(input, torch.ones(problem.weight_shape), torch.zeros(1))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("towards", "passes"), [(0, True), (math.inf, False)])
def test_just_under_its_bound_passes_and_just_over_fails(
    sign: int, towards: float, passes: bool
) -> None:
    problem, operands = cancelling()
    exactly = judged(problem, np.zeros(problem.output_shape), operands).worst
    assert exactly is not None
    error = np.nextafter(exactly.bound, towards)
    checked = judged(problem, np.full(problem.output_shape, sign * error), operands)
    assert checked.verdict.ok is passes
    assert (checked.share > 1) is not passes


@pytest.mark.parametrize(("times", "passes"), [(0.5, True), (1, True), (1.001, False), (2, False)])
def test_the_bound_is_n_u_times_the_sum_of_magnitudes(times: float, passes: bool) -> None:
    """3 · 1 + 3 · 1 is 6; what float64 and underflow add is far below a thousandth."""
    problem, operands = cancelling()
    u = 2.0**-24
    error = times * 3 * u * 6
    checked = judged(problem, np.full(problem.output_shape, error), operands)
    assert checked.verdict.ok is passes
    assert checked.bound_factor == 3 * u
    assert "3·u" in checked.formula


def test_underflow_is_allowed_and_no_more() -> None:
    problem = parse("1x1x1 1@1x1 nobias float16")
    tiny = torch.full(problem.input_shape, 2.0**-24, dtype=torch.float16)
    operands = Operands(tiny, tiny, None)
    assert judged(problem, to_numpy(by_torch(problem, operands)), operands).verdict
    assert not judged(problem, np.full(problem.output_shape, 2.0**-22), operands).verdict


# -- NaN and infinity ---------------------------------------------------------------------------


def with_input(value: float) -> Operands:
    operands = whole_numbers(PROBLEM)
    operands.input[1, 2, 4, 4] = value
    return operands


@pytest.mark.parametrize("algorithm", PLAIN_SUMS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_that_agree_are_no_error(algorithm: str, value: float) -> None:
    operands = with_input(value)
    reference = definition(PROBLEM, operands).output
    assert not np.isfinite(reference).all()
    assert np.isfinite(reference).any()
    checked = verify(PROBLEM, algorithm, operands)
    assert (checked.verdict.ok, checked.max_error) == (True, 0)


@pytest.mark.parametrize(
    ("input", "wrong"),
    [
        (0.0, math.nan),
        (0.0, math.inf),
        (0.0, -math.inf),
        (math.nan, 0.0),
        (math.nan, math.inf),
        (math.inf, 0.0),
        (math.inf, math.nan),
        (math.inf, "-"),
    ],
)
def test_nan_and_infinity_where_they_should_not_be_are_found(
    input: float, wrong: float | str
) -> None:
    operands = with_input(input)
    output = definition(PROBLEM, operands).output
    odd = np.isinf(output) if math.isinf(input) else np.isnan(output) | (input == 0)
    index = tuple(int(i) for i in np.argwhere(odd)[-1])
    output[index] = -output[index] if isinstance(wrong, str) else wrong
    checked = judged(PROBLEM, output, operands)
    assert not checked.verdict
    assert checked.worst is not None
    assert checked.worst.index == index
    assert checked.share == checked.max_error == checked.rms_error == math.inf
    assert "inf" in checked.verdict.reason


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("algorithm", PLAIN_SUMS)
def test_an_infinite_weight_on_padding_leaves_outputs_without_a_bound(
    algorithm: str, value: float
) -> None:
    """The definition skips padding, others multiply it by its zero; elsewhere they must agree."""
    problem = parse("2x4x5 3@3x3 p1 nobias")
    operands = whole_numbers(problem)
    operands.weight[1, 0, 0, 2] = value  # of the second filter: meets the first row, last column
    checked = verify(problem, algorithm, operands)
    assert checked.verdict, checked.verdict.reason
    assert checked.unbounded >= 5 + 4 - 1
    if ALGORITHMS[algorithm].error_bound(problem).local:
        assert checked.unbounded == 5 + 4 - 1


# -- shapes, and what is not promised -----------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda output: output[0],
        lambda output: output[..., :-1],
        lambda output: output.swapaxes(0, 1),
        lambda output: output[..., None],
    ],
)
def test_a_wrong_shape_is_said(change: Callable[[Array], Array]) -> None:
    operands = whole_numbers(PROBLEM)
    wrong = change(right(PROBLEM, operands))
    checked = judged(PROBLEM, wrong, operands)
    assert not checked.verdict
    assert checked.verdict.reason == f"shape {list(wrong.shape)}, not {list(PROBLEM.output_shape)}"
    assert checked.worst is None


@pytest.mark.parametrize("algorithm", supporting(CASES["empty batch"]))
def test_an_empty_batch_has_nothing_wrong(algorithm: str) -> None:
    checked = verify(CASES["empty batch"], algorithm)
    assert checked.verdict
    assert (checked.worst, checked.max_error, checked.rms_error) == (None, 0, 0)


@pytest.mark.parametrize("products", [254, 255, 2000])
def test_sums_in_bfloat16_keep_their_bound_however_long(products: int) -> None:
    """n·u passes 1 at 255 products, where γₙ would promise nothing."""
    checked = verify(parse(f"{products}x1x1 1@1x1 bfloat16"), "aten")
    assert checked.verdict
    assert checked.bound_factor == (products + 1) * 2.0**-8


def test_an_output_that_could_overflow_has_no_bound_and_the_verdict_says_so() -> None:
    """Two products of 2¹⁵ may meet before the third takes one away again."""
    problem = parse("3x1x2 1@1x1 nobias float16")
    pixels = torch.tensor([[2.0**15, 2.0**15, -(2.0**15)], [1.0, 1.0, 1.0]]).half()
    operands = Operands(
        pixels.T.reshape(problem.input_shape).contiguous(), torch.ones(1, 3, 1, 1).half(), None
    )
    output = np.array([np.inf, 3.0]).reshape(problem.output_shape)
    checked = judged(problem, output, operands)
    assert checked.verdict
    assert "1 of 2 have none" in checked.verdict.reason
    assert (checked.unbounded, checked.not_finite, checked.not_finite_by_definition) == (1, 1, 0)
    wrong = judged(problem, np.array([np.inf, 4.0]).reshape(problem.output_shape), operands)
    assert not wrong.verdict


@pytest.mark.parametrize(
    ("value", "error", "ulps"),
    [
        (1.0, 2.0**-23, 1),
        (1.0, 2.0**-24, 0.5),
        (2.0**10 - 1, 2.0**-13, 2),
        (2.0**-140, 2.0**-148, 2),
        (0.0, 1.0, 0),
    ],
)
def test_ulps_count_the_last_place_of_the_definitions_value(
    value: float, error: float, ulps: float
) -> None:
    problem = parse("1x1x1 1@1x1 nobias")
    operands = Operands(torch.full((1, 1, 1, 1), value), torch.ones(1, 1, 1, 1), None)
    checked = judged(problem, np.full(problem.output_shape, value + error), operands)
    assert checked.ulps == ulps


# -- running ------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["auto", *PLAIN_SUMS])
def test_whole_numbers_have_no_error(algorithm: str) -> None:
    checked = verify(PROBLEM, algorithm, whole_numbers(PROBLEM))
    assert checked.verdict.reason == "every element is within its bound (max. 0.0%)"
    errors = (checked.max_error, checked.rms_error, checked.relative_error, checked.share)
    assert errors == (0, 0, 0, 0)


@pytest.mark.parametrize("algorithm", supporting(PROBLEM))
def test_verify_judges_what_the_algorithm_makes(algorithm: str) -> None:
    operands = random_operands(PROBLEM, seed=5)
    output = run(PROBLEM, algorithm, operands.input, operands.weight, operands.bias)
    bound = named(algorithm).error_bound(PROBLEM)
    checked = verify(PROBLEM, algorithm, seed=5)
    candidate = verification_targets(PROBLEM, [algorithm])[-1]  # its kernel, where it has one
    assert checked == judge(PROBLEM, candidate, to_numpy(output), operands, bound)
    assert checked != verify(PROBLEM, algorithm, seed=6)


def test_operands_that_need_gradients_can_be_verified() -> None:
    operands = random_operands(PROBLEM)
    operands.weight.requires_grad_()
    assert verify(PROBLEM, operands=operands).verdict


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown algorithm 'winnograd'"):
        verify(PROBLEM, "winnograd")


# -- two outputs --------------------------------------------------------------------------------


def compared(first: Array, second: Array, problem: ConvProblem = PROBLEM) -> tuple[bool, float]:
    bound = bound_of(problem)
    found = compare(problem, whole_numbers(problem), ("a", first, bound), ("b", second, bound))
    assert (found.first, found.second) == ("a", "b")
    assert np.isfinite(found.bound)
    return found.verdict.ok, found.maximum


def test_the_same_outputs_do_not_differ() -> None:
    output = right(PROBLEM, whole_numbers(PROBLEM))
    assert compared(output, output) == (True, 0)


@pytest.mark.parametrize("off", [1.0, -1.0, math.inf, math.nan])
def test_where_two_outputs_differ_most_is_found(off: float) -> None:
    output = right(PROBLEM, whole_numbers(PROBLEM))
    other, bound = output.copy(), bound_of(PROBLEM)
    other[INDEX] += off
    found = compare(PROBLEM, whole_numbers(PROBLEM), ("a", output, bound), ("b", other, bound))
    assert (found.verdict.ok, found.index) == (False, INDEX)
    assert found.maximum == found.array[INDEX] == (1 if abs(off) == 1 else math.inf)
    assert np.count_nonzero(found.array) == 1


def test_the_bound_of_two_is_that_of_both() -> None:
    problem, operands = cancelling()
    zeros = np.zeros(problem.output_shape)
    one = judged(problem, zeros, operands).worst
    assert one is not None
    loose = replace(bound_of(problem), max_factor=3 * bound_of(problem).max_factor)
    for beside, times in ((bound_of(problem), 2), (loose, 4)):
        for error, same in ((0.999, True), (1.001, False)):
            off = np.full(problem.output_shape, error * times * one.bound)
            found = compare(problem, operands, ("a", zeros, bound_of(problem)), ("b", off, beside))
            assert found.verdict.ok is same


def test_outputs_compared_must_have_the_problems_shape() -> None:
    output = right(PROBLEM, whole_numbers(PROBLEM))
    with pytest.raises(ShapeError, match=r"the output of b is \[1, 6, 4, 5\], not \[2, 6, 4, 5\]"):
        compared(output, output[:1])


def test_two_empty_outputs_do_not_differ() -> None:
    empty = np.zeros(CASES["empty batch"].output_shape)
    assert compared(empty, empty, CASES["empty batch"]) == (True, 0)


def test_no_bound_for_one_is_no_bound_for_two() -> None:
    problem, operands = cancelling()
    zeros, nothing = np.zeros(problem.output_shape), replace(bound_of(problem), max_factor=math.inf)
    for bounds in ((nothing, bound_of(problem)), (bound_of(problem), nothing)):
        pair = [(name, zeros, bound) for name, bound in zip("ab", bounds, strict=True)]
        found = compare(problem, operands, *pair)
        assert (found.verdict.ok, "no bound holds" in found.verdict.reason) == (False, True)


def test_a_large_difference_within_its_bound_hides_no_smaller_one_beyond() -> None:
    problem = parse("1x1x2 1@1x1 nobias")
    pixels = torch.tensor([2.0**20, 1.0]).reshape(problem.input_shape)
    operands = Operands(pixels, torch.ones(problem.weight_shape), None)
    output = definition(problem, operands).output
    other = output + np.array([2.0**-4, 2.0**-8]).reshape(problem.output_shape)
    bound = bound_of(problem)
    found = compare(problem, operands, ("a", output, bound), ("b", other, bound))
    assert (found.index, found.maximum) == ((0, 0, 0, 0), 2**-4)
    assert found.maximum <= found.bound
    assert not found.verdict


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_where_the_scale_is_no_scale_right_is_right_and_wrong_is_wrong(value: float) -> None:
    problem = parse("1x1x2 1@1x1 nobias")
    operands = Operands(
        torch.full(problem.input_shape, value), torch.ones(problem.weight_shape), None
    )
    output = definition(problem, operands).output
    bound = bound_of(problem)
    for candidate, ok in ((output, True), (np.ones(output.shape), False)):
        found = compare(problem, operands, ("a", output, bound), ("b", candidate, bound))
        checked = judged(problem, candidate, operands)
        assert (checked.verdict.ok, found.verdict.ok) == (ok, ok)
        assert checked.relative_error == (0 if ok else math.inf)


def test_an_error_too_large_to_square_is_still_told() -> None:
    problem = parse("1x1x2 1@1x1 nobias float64")
    output = np.array([1e300, 0]).reshape(problem.output_shape)
    checked = judged(problem, output, random_operands(problem))
    assert not checked.verdict
    assert checked.max_error == pytest.approx(1e300, abs=0, rel=2.0**-52)
    assert checked.rms_error == math.inf
