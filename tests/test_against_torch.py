"""Random calls of glassconv and of `torch.nn.functional`, compared by `support.differential`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import glassconv
from support import differential
from support.differential import Outcome, differences, run, search
from support.differential_calls import Call, draw
from support.differential_judge import judge
from support.differential_mistakes import MISTAKES

EACH_RUN, ALL = 2_000, 20_000
TOGETHER = 1_000  # calls in one test and one process, whose start takes seconds


def compare(start: int) -> None:
    found = search(start, start + TOGETHER)
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("start", range(0, EACH_RUN, TOGETHER))
def test_what_pytorch_does(start: int) -> None:
    compare(start)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(EACH_RUN, ALL, TOGETHER))
def test_what_pytorch_does_in_more_calls(start: int) -> None:
    compare(start)


def test_a_number_names_one_call() -> None:
    assert str(draw(17)) == str(draw(17))
    first, again = (draw(17).operands["input"].values() for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_every_mistake_is_made_in_each_run_and_every_tenth_call_has_one() -> None:
    mistakes = [draw(index).mistake for index in range(EACH_RUN)]
    assert {*mistakes} == {"", *MISTAKES}
    assert sum(map(bool, mistakes)) == EACH_RUN // 10


# -- the comparison sees what it is for --------------------------------------------------------


def first_call(function: str) -> Call:
    """Return the first call of a function in float32 that computes all gradients."""
    for index in range(10_000):
        call = draw(index)
        wanted = {"input", "weight", "bias"} == {*call.operands} and call.function == function
        if wanted and call.gradient and not call.no_grad:
            operands = call.operands.values()
            if all(each.requires_grad and each.dtype == "float32" for each in operands):
                return call
    raise AssertionError


def test_right_numbers_pass() -> None:
    call = first_call("conv2d")
    assert judge(call, run(call, F.conv2d)) == {}


@pytest.mark.parametrize("name", ["output", "input gradient", "weight gradient", "bias gradient"])
def test_a_wrong_number_is_seen(name: str) -> None:
    call = first_call("conv2d")
    outcome = run(call, F.conv2d)
    wrong = outcome.arrays[name].detach().clone()
    wrong.view(-1)[0] += 0.01
    assert [*judge(call, Outcome(None, {**outcome.arrays, name: wrong}, outcome.operands))] == [
        name
    ]


def test_wrong_strides_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_gaps(*given: Any, **named: Any) -> Tensor:
        return F.conv2d(*given, **named).repeat_interleave(2, -1)[..., ::2]

    monkeypatch.setattr(glassconv, "conv2d", with_gaps)
    call = replace(first_call("conv2d"), gradient="")
    assert any("strides" in text for text in differences(call))


def test_a_missing_error_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    call = next(call for call in map(draw, range(9, 10_000, 10)) if call.mistake == "bias")
    monkeypatch.setattr(glassconv, call.function, lambda *given, **named: torch.ones(1))
    (text,) = differences(call)
    assert "torch raises" in text


def test_a_crash_is_reported_with_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    dies = "import os; print('at 7 glassconv', flush=True); os.kill(os.getpid(), 9)"
    monkeypatch.setattr(differential, "WORKER", (sys.executable, "-c", dies))
    found = search(7, 8)
    assert [(each.index, each.text) for each in found] == [(7, "glassconv crashes: SIGKILL")]
