"""Tuning: which kernels a network's plan takes, before they were timed and after."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem.problem import Problem
from glassconv.reports.shown import Shown


@dataclass(frozen=True)
class TunedProblem:
    """A problem of a plan: how many times as fast as PyTorch each kernel is."""

    problem: Problem
    layout: str
    steps: tuple[str, ...]  # the names of those that compute it
    before: str  # the kernel that was predicted to be the fastest
    after: str  # the kernel that is
    ratios: tuple[tuple[str, float], ...]  # the fastest first; those that are wrong have none


@dataclass(frozen=True, eq=False)
class NetworkTuning(Shown):
    """A network's problems, of which some are timed."""

    model: str
    how: str
    problems: int  # to be timed
    tuned: tuple[TunedProblem, ...]
