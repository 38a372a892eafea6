"""Tuning: every compiled candidate timed on this machine, so that "auto" need not predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf

from glassconv.benchmarks.bench import bench
from glassconv.benchmarks.suites import Layer
from glassconv.dispatch import dispatch, tuning_store
from glassconv.dispatch.select import choose, fastest_kernel
from glassconv.networks.plan.plan import Plan
from glassconv.networks.plan.steps import KernelStep
from glassconv.problem.memory_layout import NCHW
from glassconv.problem.problem import Problem
from glassconv.reports.benchmark import LayerBenchmark
from glassconv.reports.tuning import TunedProblem


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


def tune_plan(plan: Plan, accuracy: str = "default") -> Iterator[TunedProblem]:
    """Yield for each problem of a network's plan, in its memory layout, what `tune` finds.

    accuracy: of the network. Plans that are made afterwards take the fastest kernels.
    """
    for (problem, layout), steps in problems_of(plan).items():
        (rows,) = tune([problem], layout)
        measured = [(row.algorithm, row.ratio) for row in rows if row.ratio is not None]
        yield TunedProblem(
            problem,
            layout,
            tuple(each.name for each in steps),
            steps[0].kernel,
            fastest_kernel(problem, accuracy, layout).name,
            tuple(sorted(measured, key=lambda each: -each[1])),
        )


def problems_of(plan: Plan) -> Mapping[tuple[Problem, str], list[KernelStep]]:
    """Return the steps of each problem of a plan that can be timed in its memory layout.

    Sequences are timed in NCHW only.
    """
    found: dict[tuple[Problem, str], list[KernelStep]] = {}
    for step in plan.steps:
        if not isinstance(step, KernelStep) or step.problem is None:
            continue
        if step.problem.ndim == 2 or step.layout == NCHW:
            found.setdefault((step.problem, step.layout), []).append(step)
    return found
