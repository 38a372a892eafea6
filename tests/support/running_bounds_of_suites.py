"""Print how far the bounds of the published order are above the worst error of suites' layers.

    PYTHONPATH=tests python -m support.running_bounds_of_suites SUITE …

prints rows of the table in docs/error-bounds.md: bound ÷ error, geometric mean and largest. The
operands of a layer of few outputs are drawn again until `SAMPLE` outputs have been seen.
"""

from __future__ import annotations

import sys
from math import ceil, exp, log, prod
from statistics import fmean

from glassconv.benchmarks.suites import read_suite
from glassconv.problem.problem import Problem
from glassconv.verification.running_bounds import SAMPLE, running_bounds


def row(suite: str) -> str:
    """Return a row of the table, if no bound is exceeded."""
    found = [ratios(layer.problem) for layer in read_suite(suite)]
    means = [exp(fmean(map(log, each))) for each in zip(*found, strict=True)]
    largest = map(max, zip(*found, strict=True))
    cells = [f"{mean:,.3g}, {most:,.3g}" for mean, most in zip(means, largest, strict=True)]
    return f"| {suite} | {len(found)} | {' | '.join(cells)} |"


def ratios(problem: Problem) -> tuple[float, float, float]:
    """Return the three bounds of a problem, each the largest, over the largest error."""
    draws = ceil(SAMPLE / prod(problem.output_shape))
    found = [running_bounds(problem, seed=seed) for seed in range(draws)]
    assert all(each.verdict and not each.improbable for each in found)
    error = max(each.error for each in found)
    plain = max(each.plain for each in found)
    guaranteed = max(each.guaranteed for each in found)
    return plain / error, guaranteed / error, max(each.probable for each in found) / error


if __name__ == "__main__":
    for suite in sys.argv[1:]:
        print(row(suite), flush=True)  # noqa: T201
