"""Tuning: every kernel that may run is timed, and the next choice knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from glassconv.benchmarks.tune import tune
from glassconv.dispatch import dispatch, tuning_store
from glassconv.dispatch.select import choose
from glassconv.problem.shorthand import parse


def test_every_kernel_of_auto_is_timed_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tuning_store._document.cache_clear()
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
    monkeypatch.undo()
    tuning_store._document.cache_clear()
    dispatch.forget()
