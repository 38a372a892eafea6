"""Which algorithms support which cases, for tests that run each algorithm where it can."""

from __future__ import annotations

import pytest

from glassconv.algorithms import ALGORITHMS, Algorithm
from glassconv.problem.problem import Problem
from support.cases import CASES, EVERY_CASE


def _pairs(supported: bool) -> pytest.MarkDecorator:
    """Return the parametrization with every algorithm and case of which `supports` says so."""
    pairs = [
        pytest.param(algorithm, problem, id=f"{algorithm.name}-{case}")
        for algorithm in ALGORITHMS.values()
        for case, problem in EVERY_CASE.items()
        if algorithm.supports(problem).ok is supported
    ]
    return pytest.mark.parametrize(("algorithm", "problem"), pairs)


SUPPORTED, REFUSED = _pairs(True), _pairs(False)

# The algorithms that support every convolution, by plain sums.
PLAIN_SUMS: dict[str, Algorithm] = {
    name: algorithm
    for name, algorithm in ALGORITHMS.items()
    if all(
        algorithm.supports(problem) and algorithm.error_bound(problem).window_factor == 1
        for problem in CASES.values()
    )
}


def supporting(problem: Problem) -> list[str]:
    """Return the names of the algorithms that support a problem."""
    return [name for name, algorithm in ALGORITHMS.items() if algorithm.supports(problem)]
