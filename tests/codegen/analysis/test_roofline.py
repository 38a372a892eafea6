"""The roofline: what it measures is what it says, whatever the machine reaches."""

from __future__ import annotations

import pytest

from glassconv.codegen.analysis import roofline
from glassconv.codegen.analysis.assembly import hot_loop
from glassconv.codegen.jit import assembly, spills
from glassconv.codegen.openmp import threads
from glassconv.codegen.target import TARGETS, Target
from glassconv.errors import UnsupportedError
from glassconv.problem.shorthand import parse
from glassconv.reports.benchmark import Roofline


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_limits_are_measured(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "PATIENCE", 0.02)
    found = roofline.measure(dtype)
    assert found.threads in (1, threads())
    assert found.dtype == dtype
    assert found.flops_per_second > 1e6
    assert found.bytes_per_second > 1e6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_chains_stay_in_registers_and_are_independent(target: Target, dtype: str) -> None:
    written = assembly(roofline.chains(dtype, target).text, target)
    hot = hot_loop(written)
    assert hot.products == roofline.CHAINS
    assert len(set(hot.totals)) == roofline.CHAINS
    assert (hot.loads, hot.loaded_bytes, spills(written)) == (0, 0, 0)


def test_no_roof_without_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "host", lambda: None)
    with pytest.raises(UnsupportedError, match="no roofline"):
        roofline.measure()


def test_attainable_is_the_lower_limit() -> None:
    limits = Roofline(100.0, 10.0, 1, "float32")
    assert limits.attainable(flops=5, bytes=1) == 50
    assert limits.attainable(flops=50, bytes=1) == 100
    problem = parse("64x56x56 64@3x3 p1")
    assert limits.over(problem) == 100
