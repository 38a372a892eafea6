"""What the two running bounds of the published order allow, beside the errors they bound."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem.problem import Problem
from glassconv.reports.shown import Shown
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True, eq=False)
class RunningBounds(Shown):
    """The largest error and the largest of each bound, over the same outputs of one convolution."""

    problem: Problem
    verdict: Verdict  # whether each error is within its guaranteed bound
    outputs: int  # of which these are the largest; those that may overflow are left out
    error: float
    guaranteed: float
    probable: float  # holds for all outputs of the problem together, but with `probability`
    probability: float  # that it does not hold, if roundings are as good as random
    plain: float  # n · u · (Σ|x||w| + |b|) + underflow, from the shape alone
