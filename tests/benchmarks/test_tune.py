"""Tuning: every kernel that may run is timed, and the next choice knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from glassconv.benchmarks.tune import problems_of, tune, tune_plan
from glassconv.dispatch import dispatch, tuning_store
from glassconv.dispatch.select import candidates, choose
from glassconv.networks.optimize import optimize
from glassconv.networks.plan.steps import KernelStep
from glassconv.problem.shorthand import parse

X = torch.rand(1, 8, 9, 9)


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep records in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tuning_store._document.cache_clear()
    yield
    monkeypatch.undo()
    tuning_store._document.cache_clear()
    dispatch.forget()


def test_every_kernel_of_auto_is_timed_and_recorded() -> None:
    problem = parse("3x16x16 4@3x3")
    dispatch.forget()
    able = [each for each in choose(problem).candidates if each.compiled_seconds and each.verdict]
    names = {each.name for each in able} - {"aten"}
    (rows,) = tune([problem])
    assert {row.algorithm for row in rows} == names
    assert dict(tuning_store.recorded(problem, "nchw")) == {
        row.algorithm: row.ratio for row in rows
    }
    assert dispatch.compile_call.cache_info().currsize == 0
    fastest = max(rows, key=lambda row: row.ratio or 0)
    expected = fastest.algorithm if (fastest.ratio or 0) > 1 else "aten"
    assert choose(problem).algorithm == expected


def test_each_problem_of_a_plan_is_timed_once_in_its_layout() -> None:
    model = nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.Flatten(),
        nn.Linear(8 * 9 * 9, 4),
    )  # fmt: skip
    plan = optimize(model, X).plan(X)
    tuned = list(tune_plan(plan))
    assert [each.steps for each in tuned] == [("0", "2"), ("4",)]
    for each in tuned:
        assert dict(each.ratios) == dict(tuning_store.recorded(each.problem, each.layout))
        assert each.after == each.ratios[0][0]
        assert [ratio for _, ratio in each.ratios] == sorted(dict(each.ratios).values())[::-1]


def test_a_plan_takes_the_kernel_that_is_recorded_as_the_fastest() -> None:
    model = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1))

    def convolution() -> KernelStep:
        """Return the step of the layer; copies into a faster memory layout may surround it."""
        steps = optimize(model, X).plan(X).steps
        (step,) = (each for each in steps if isinstance(each, KernelStep) and each.problem)
        return step

    step = convolution()
    assert step.problem is not None
    found = candidates(step.problem, "default", step.layout)
    others = [
        each.name
        for each in found
        if each.kernel and each.verdict and each.compiled_seconds and each.name != step.kernel
    ]
    assert others
    for name in others:
        ratios = {step.kernel: 1.0, **dict.fromkeys(others, 1.0), name: 1e6}
        tuning_store.keep({(step.problem, step.layout): ratios})
        assert convolution().kernel == name


def test_sequences_are_timed_in_nchw_only() -> None:
    model = nn.Sequential(nn.Conv1d(8, 8, 3))
    x = torch.rand(1, 8, 32)
    plan = optimize(model, x).plan(x)
    (step,) = (each for each in plan.steps if isinstance(each, KernelStep) and each.problem)
    assert len(problems_of(plan)) == (step.layout == "nchw")
