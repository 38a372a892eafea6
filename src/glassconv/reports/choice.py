"""Choice: which algorithm runs, and the verdict on every other candidate."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem.problem import Problem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.shown import Shown
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class Candidate:
    """One algorithm for a problem: whether it may run, what it costs and how wrong it may be."""

    name: str
    supported: Verdict  # whether it computes the problem at all
    verdict: Verdict  # whether it may run here: supported, in memory, accurate enough
    cost: Cost | None  # None where it is not supported, and so the bound
    bound: ErrorBound | None
    seconds: float  # of its steps, predicted on a nominal machine: it ranks, it does not promise
    kernel: Verdict | None = None  # whether its kernel computes it; None where it has none
    compiled_seconds: float | None = None  # of compiled code, None where it has none


@dataclass(frozen=True, eq=False)
class Choice(Shown):
    """Which algorithm runs, and why each other one does not."""

    problem: Problem
    algorithm: str
    kernel: str | None  # the name of the kernel that computes it; None: PyTorch or its steps
    candidates: tuple[Candidate, ...]
