"""Timing: verified first, in turn, with a reason where there is no time."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from glassconv.benchmarks.bench import (
    LAYOUTS,
    THREADS_PER_PROCESSOR,
    bench,
    in_turn,
    using_threads,
)
from glassconv.benchmarks.suites import Layer
from glassconv.dispatch.select import choose
from glassconv.errors import ArgumentError, UnknownNameError
from glassconv.problem.shorthand import parse
from glassconv.reports.verdict import Verdict
from glassconv.verification.verify import verify

LAYERS = [Layer(parse(text), 2) for text in ("3x8x8 4@3x3 p1", "4x6x6 4@1x1", "4x9x9 4@3x3 s2 g4")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layer_has_a_ratio(layout: str) -> None:
    rows = list(bench(LAYERS, layout=layout, repeats=2))
    assert [row.problem for row in rows] == [layer.problem for layer in LAYERS]
    for row in rows:
        assert row.verdict
        chosen = choose(row.problem, layout=layout).algorithm
        assert (row.algorithm, row.count) == (chosen, 2)
        assert row.seconds is not None and row.pytorch_seconds is not None
        assert row.ratio == row.pytorch_seconds / row.seconds > 0


def test_who_cannot_has_a_reason_and_no_time() -> None:
    first, second, third = bench(LAYERS, "pointwise", repeats=1)
    assert (first.ratio, third.ratio) == (None, None)
    assert "needs a kernel of size 1" in first.verdict.reason
    assert second.ratio is not None


def test_a_wrong_answer_has_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: object) -> object:
        return replace(verify(*arguments), verdict=Verdict(False, "off"))  # type: ignore[arg-type]

    monkeypatch.setattr("glassconv.benchmarks.bench.verify", wrong)
    for row in bench(LAYERS, "im2col", repeats=1):
        assert (row.verdict.reason, row.seconds, row.ratio) == ("off", None, None)


def test_the_two_are_called_in_turn() -> None:
    said: list[str] = []
    in_turn(lambda: said.append("a"), lambda: said.append("b"), repeats=3)
    rest = "".join(said).lstrip("a").lstrip("b")  # after the warming up
    turns = [char for char, before in zip(rest, " " + rest, strict=False) if char != before]
    assert turns == ["a", "b"] * 3


def test_medians_are_of_one_call() -> None:
    short, long = in_turn(lambda: sum(range(100)), lambda: sum(range(100_000)), repeats=5)
    assert 0 < short < long


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with using_threads(1) as used:
        assert used == torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="nchw, nhwc"):
        next(bench(LAYERS, layout="nwhc"))
    with pytest.raises(UnknownNameError, match="im2coll"):
        next(bench(LAYERS, "im2coll"))


def test_threads_beyond_reason_are_refused() -> None:
    most = THREADS_PER_PROCESSOR * (os.cpu_count() or 1)
    with using_threads(most) as used:
        assert used == most
    for number in (most + 1, 10**30):
        with pytest.raises(ArgumentError, match=f"at most {most} here.*got {number}"):
            using_threads(number).__enter__()
