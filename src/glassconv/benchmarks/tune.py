"""Tuning: every compiled candidate timed on this machine, so that "auto" need not predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from glassconv.benchmarks.bench import bench
from glassconv.benchmarks.suites import Layer
from glassconv.dispatch import dispatch, tuning_store
from glassconv.dispatch.select import choose
from glassconv.problem.problem import Problem
from glassconv.reports.benchmark import LayerBenchmark


def tune(problems: Iterable[Problem], layout: str = "nchw") -> Iterator[list[LayerBenchmark]]:
    """Yield for each problem how each of its kernels did against PyTorch, and keep the ratios.

    Each is verified before it is timed, and none is timed that "auto" may not take. The records
    are kept problem by problem, so what was measured is not lost when the rest is given up.

    Raises `DataError` where the records cannot be kept.
    """
    for problem in problems:
        candidates = choose(problem, layout=layout).candidates
        names = [
            each.name
            for each in candidates
            if each.verdict and each.name != "aten"
            if each.compiled_seconds is not None and each.compiled_seconds < inf
        ]
        rows = [row for name in names for row in bench([Layer(problem, 1)], name, layout=layout)]
        ratios = {row.algorithm: row.ratio for row in rows if row.ratio is not None}
        tuning_store.keep({(problem, layout): ratios})
        dispatch.forget()
        yield rows
