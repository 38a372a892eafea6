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
    probable: float  # holds for all outputs of the problem together, if roundings are random
    probability: float  # that it does not hold even then
    improbable: int  # outputs whose error exceeds their probable bound
    plain: float  # n · u · (Σ|x||w| + |b|) + underflow, from the shape alone
