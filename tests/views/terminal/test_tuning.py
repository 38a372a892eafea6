"""The table of a network's tuning: what was timed, what changed, what is left."""

from __future__ import annotations

from dataclasses import replace

from glassconv.problem.shorthand import parse
from glassconv.reports.tuning import NetworkTuning, TunedProblem

PROBLEM = parse("64x56x56 64@3x3 p1")
KEPT = TunedProblem(
    PROBLEM, "nhwc", ("a", "b"), "winograd4", "winograd4",
    (("winograd4", 2.5), ("direct", 1.25), ("implicit_gemm", 1.0), ("winograd2", 0.5)),
)  # fmt: skip
CHANGED = replace(KEPT, before="direct", steps=("c",))
UNTIMED = replace(KEPT, ratios=())


def test_it_fits_and_says_what_changes_and_what_is_left() -> None:
    written = str(NetworkTuning("net", "2 threads", 9, (KEPT, CHANGED, UNTIMED)))
    lines = written.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if line.startswith(" 64x56x56")]
    assert rows[0] == [*"64x56x56 64@3x3 p1 2 winograd4 2.50 direct 1.25".split()]
    assert rows[1][4:7] == ["direct", "→", "winograd4"]
    assert rows[2] == [*"64x56x56 64@3x3 p1 2 winograd4".split()]
    assert lines[-1] == "3 of 9 problems timed, 1 with another kernel than before"
