"""The time of a call: the shortest of some runs, since other processes only make runs longer."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


def fastest(call: Callable[[], object], runs: int, calls: int = 1) -> float:
    """Return the seconds of a call in the fastest of some runs, of so many calls each.

    >>> fastest(lambda: None, runs=3) < 1
    True
    """
    times = []
    for _ in range(runs):
        start = perf_counter()
        for _ in range(calls):
            call()
        times.append(perf_counter() - start)
    return min(times) / calls
