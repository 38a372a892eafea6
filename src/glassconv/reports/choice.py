"""Choice: which algorithm runs, and the verdict on every other candidate."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem import ConvProblem
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class Candidate:
    """One algorithm's standing for a problem: whether it may run, and what it would take."""

    name: str
    verdict: Verdict
    seconds: float  # of its steps, predicted on a nominal machine: it ranks, it does not promise
    kernel: Verdict | None = None  # whether its kernel can; None where it has none
    compiled_seconds: float | None = None  # of machine code, None where none can


@dataclass(frozen=True)
class Choice:
    """Which algorithm runs, and why each other one does not."""

    problem: ConvProblem
    algorithm: str
    candidates: tuple[Candidate, ...]
