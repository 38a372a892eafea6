"""A named algorithm runs or raises with its reason; auto always finds one, and says why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassconv.algorithms import ALGORITHMS, Algorithm, named
from glassconv.dispatch.memory import MemoryLimit
from glassconv.dispatch.select import ACCURACY, AUTO, choose, forget, predict
from glassconv.errors import UnknownNameError, UnsupportedError
from glassconv.kernels import KERNELS
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.problem import Problem
from glassconv.problem.shorthand import parse
from glassconv.reports.choice import Choice
from glassconv.reports.cost import Cost
from glassconv.reports.verdict import Verdict
from support.cases import CASES, EVERY_CASE
from support.random_problems import problems

PROBLEM = CASES["padding"]
CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
FREE = Cost(0, 0, 0, 0, operations=0)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Choices are cached: forget those made of other algorithms and other memory."""
    forget()
    yield
    forget()


def add(monkeypatch: pytest.MonkeyPatch, *added: Algorithm) -> None:
    """Put algorithms into the registry, until the test ends."""
    registry = dict(ALGORITHMS) | {algorithm.name: algorithm for algorithm in added}
    monkeypatch.setattr("glassconv.dispatch.select.ALGORITHMS", registry)
    monkeypatch.setattr("glassconv.algorithms.ALGORITHMS", registry)


def fake(name: str, growth: float = 1.0, verdict: Verdict | None = None) -> Algorithm:
    """Return an algorithm that costs nothing, so that auto takes it wherever it may."""
    direct = named("direct")
    return replace(
        direct,
        name=name,
        seconds=lambda problem, layout, machine: 0.0,
        compile_for=None,
        supports=lambda problem: direct.supports(problem) if verdict is None else verdict,
        cost=lambda problem: FREE,
        error_bound=lambda problem: replace(direct.error_bound(problem), rms_factor=growth),
    )


def standing(choice: Choice, name: str) -> Verdict:
    [verdict] = [each.verdict for each in choice.candidates if each.name == name]
    return verdict


# -- what runs ----------------------------------------------------------------------------------


@given(problems(), st.sampled_from(sorted(ACCURACY)))
def test_auto_always_finds_the_fastest_that_may_run(problem: ConvProblem, accuracy: str) -> None:
    choice = choose(problem, accuracy=accuracy)
    able = {
        each.name: each.compiled_seconds
        for each in choice.candidates
        if each.verdict and each.compiled_seconds is not None
    }
    assert able[choice.algorithm] == min(able.values())
    assert named(choice.algorithm).supports(problem)


@CASE
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_named_algorithm_runs_or_raises_its_reason(problem: ConvProblem, name: str) -> None:
    verdict = named(name).supports(problem)
    if verdict:
        assert choose(problem, name, "any").algorithm == name
    else:
        with pytest.raises(UnsupportedError, match=re.escape(verdict.reason)):
            choose(problem, name, "any")


@CASE
def test_every_candidate_stands_with_a_reason(problem: ConvProblem) -> None:
    choice = choose(problem)
    assert choice.problem == problem
    assert [candidate.name for candidate in choice.candidates] == list(ALGORITHMS)
    for candidate in choice.candidates:
        assert candidate.verdict.reason
        if named(candidate.name).supports(problem):
            assert candidate.seconds == predict(named(candidate.name).cost(problem)).seconds
        else:
            assert candidate.seconds == inf


def test_a_cheaper_algorithm_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, fake("free"))
    assert choose(PROBLEM).algorithm == "free"
    assert choose(PROBLEM, "direct").algorithm == "direct"


def test_what_is_written_to_be_read_runs_by_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, replace(fake("free"), seconds=None))
    assert choose(PROBLEM).algorithm != "free"
    assert choose(PROBLEM, "free").algorithm == "free"


@pytest.mark.parametrize(
    ("cost", "seconds"),
    [
        (FREE, 0),
        (replace(FREE, multiplications=5 * 10**10), 1),
        (replace(FREE, multiplications=10**10, additions=4 * 10**10), 1),
        (replace(FREE, traffic_bytes=10**10), 1),
        (replace(FREE, traffic_bytes=2 * 10**10, additions=5 * 10**10), 2),
        (replace(FREE, traffic_bytes=10**10, additions=10**11), 2),
        (replace(FREE, operations=200_000), 1),
        (replace(FREE, operations=200_000, traffic_bytes=10**10), 2),
        (replace(FREE, workspace_bytes=10**12), 0),
    ],
)
def test_time_is_arithmetic_or_memory_and_overhead(cost: Cost, seconds: int) -> None:
    prediction = predict(cost)
    assert round(prediction.seconds, 9) == seconds
    shares = [prediction.arithmetic, prediction.memory, prediction.overhead]
    assert round(sum(shares), 9) == bool(seconds)
    assert 0.0 in shares[:2]  # the faster of the two is hidden behind the slower


# -- what does not ------------------------------------------------------------------------------


def test_what_cannot_is_passed_over_by_auto_and_raises_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(monkeypatch, fake("picky", verdict=Verdict(False, "needs stride 2, got 1")))
    choice = choose(PROBLEM)
    assert choice.algorithm != "picky"
    assert standing(choice, "picky").reason == "needs stride 2, got 1"
    with pytest.raises(UnsupportedError) as caught:
        choose(PROBLEM, "picky")
    assert caught.value.cause == "picky: needs stride 2, got 1"
    assert caught.value.request == str(PROBLEM)


def test_what_does_not_fit_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = parse("64x512x512 64@3x3 p1")  # 0.06 GiB in, 0.06 out, im2col's columns 0.56 more
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(2**29))
    choice = choose(problem)
    assert standing(choice, choice.algorithm)
    assert standing(choice, "im2col").reason == "needs 1 GiB of memory, this machine has 0"
    with pytest.raises(UnsupportedError, match="im2col: needs 1 GiB"):
        choose(problem, "im2col")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_memory_is_enough_to_the_byte(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    problem = next(each for each in EVERY_CASE.values() if named(name).supports(each))
    needed = problem.input_bytes + problem.weight_bytes + problem.output_bytes
    needed += named(name).cost(problem).workspace_bytes
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(needed))
    assert choose(problem, name, "any").algorithm == name
    forget()
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(needed - 1))
    with pytest.raises(UnsupportedError, match=f"{name}: needs"):
        choose(problem, name, "any")


def test_where_nothing_fits_auto_says_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(0))
    with pytest.raises(UnsupportedError) as caught:
        choose(PROBLEM)
    said = [reason.split(":")[0] for reason in caught.value.cause.split("; ")]
    assert "aten" in said
    compiled = {name for name, each in ALGORITHMS.items() if each.seconds is not None}
    assert set(said) <= {*compiled, *KERNELS}


def test_an_enormous_picture_is_refused_with_nothing_laid_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(2**34))
    for name in [AUTO, *ALGORITHMS]:
        with pytest.raises(UnsupportedError):
            choose(parse("1x1000000x1000000 1@3x3"), name)


def test_padding_laid_around_a_copy_takes_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide stride over wide padding: few outputs, and a padded copy that only im2col makes."""
    problem = parse("1x1x1 1@1x1 s100000 p100000")
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(2**34))
    choice = choose(problem)
    assert standing(choice, "aten")
    assert standing(choice, "direct")
    assert standing(choice, "im2col").reason == "needs 149 GiB of memory, this machine has 16"


@pytest.mark.parametrize(
    ("growth", "allowed"),
    [
        (1.0, {"strict", "default", "fast", "any"}),
        (3.0, {"default", "fast", "any"}),
        (8.0, {"fast", "any"}),
        (100.0, {"any"}),
    ],
)
def test_accuracy_allows_a_multiple_of_pytorchs_error(
    monkeypatch: pytest.MonkeyPatch, growth: float, allowed: set[str]
) -> None:
    for accuracy, limit in ACCURACY.items():
        add(monkeypatch, replace(fake("rough", growth), published_order=accuracy == "strict"))
        choice = choose(PROBLEM, accuracy=accuracy)
        assert (choice.algorithm == "rough") is (accuracy in allowed)
        if accuracy not in allowed:
            reason = f"accuracy '{accuracy}' allows {limit:g} × PyTorch's rms error, "
            enough = next(each for each in ACCURACY if each in allowed)
            reason += f"this has {growth:g} ×; accuracy='{enough}' runs it"
            assert standing(choice, "rough").reason == reason
            with pytest.raises(UnsupportedError, match=f"rough: {reason}"):
                choose(PROBLEM, "rough", accuracy)


@given(problems(), st.sampled_from([NCHW, NHWC]))
def test_strict_takes_what_sums_in_the_published_order(problem: Problem, layout: str) -> None:
    choice = choose(problem, accuracy="strict", layout=layout)
    assert choice.algorithm == "ordered"
    for each in choice.candidates:
        assert bool(each.verdict) is (each.name == "ordered")


def test_no_other_accuracy_takes_it_by_itself() -> None:
    for accuracy in ("default", "fast", "any"):
        assert choose(PROBLEM, accuracy=accuracy).algorithm != "ordered"
        assert choose(PROBLEM, "ordered", accuracy).algorithm == "ordered"


def test_strict_refuses_another_order_by_name() -> None:
    with pytest.raises(UnsupportedError, match="im2col: accuracy 'strict' sums in the published"):
        choose(PROBLEM, "im2col", "strict")


# -- names --------------------------------------------------------------------------------------


def test_an_unknown_name_suggests_a_near_one() -> None:
    with pytest.raises(
        UnknownNameError, match=r"algorithm 'imcol' \(did you mean 'im2col'\?\); .*auto"
    ):
        choose(PROBLEM, "imcol")


def test_an_unknown_accuracy_is_told_all_there_are() -> None:
    with pytest.raises(UnknownNameError, match="available: strict, default, fast, any"):
        choose(PROBLEM, AUTO, "slow")
