"""Which algorithms can compute which cases, for tests that run each where it can."""

from __future__ import annotations

import pytest

from glassconv.algorithms import ALGORITHMS, Algorithm
from glassconv.problem import ConvProblem
from support.cases import CASES

RUN = pytest.mark.parametrize(
    ("algorithm", "problem"),
    [
        pytest.param(algorithm, problem, id=f"{algorithm.name}-{case}")
        for algorithm in ALGORITHMS.values()
        for case, problem in CASES.items()
        if algorithm.supports(problem)
    ],
)

# Those that compute every case.
UNIVERSAL: dict[str, Algorithm] = {
    name: algorithm
    for name, algorithm in ALGORITHMS.items()
    if all(algorithm.supports(problem) for problem in CASES.values())
}


def able(problem: ConvProblem) -> list[str]:
    """Return the names of the algorithms that can compute a problem."""
    return [name for name, algorithm in ALGORITHMS.items() if algorithm.supports(problem)]
