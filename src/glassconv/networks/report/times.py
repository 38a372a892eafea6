"""The time of a plan, and of each of its steps in a whole run, where its weight is cold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from glassconv.codegen.idle_threads import wait_for_threads
from glassconv.networks.plan.plan import Plan

RUNS = 20  # of which the median counts


def seconds_of_plan(plan: Plan, inputs: Sequence[Tensor]) -> float:
    """Return the median seconds of a call."""
    wait_for_threads()
    runs = []
    with torch.inference_mode():
        plan(*inputs)
        for _ in range(RUNS):
            start = perf_counter()
            plan(*inputs)
            runs.append(perf_counter() - start)
    return median(runs)


def seconds_of_steps(plan: Plan, inputs: Sequence[Tensor]) -> list[float]:
    """Return the median seconds of each step, run as a program of its own."""
    runs: list[list[float]] = [[] for _ in plan.steps]

    @contextmanager
    def timed(number: int, _: object) -> Iterator[None]:
        start = perf_counter()
        yield
        runs[number].append(perf_counter() - start)

    wait_for_threads()
    with torch.inference_mode():
        plan(*inputs)
        for _ in range(RUNS):
            plan.run_apart(inputs, timed)
    return [median(each) for each in runs]
