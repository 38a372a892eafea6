"""Waiting for threads that compute, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glassconv.codegen import idle_threads
from glassconv.codegen.idle_threads import MOST_WAITS, WAIT, wait_for_threads


def waits(monkeypatch: pytest.MonkeyPatch, busy: int) -> int:
    """Return how often it sleeps if another thread computes during the first `busy` waits."""
    slept: list[float] = []

    def clock() -> Iterator[float]:
        used = 0.0
        while True:
            yield used  # before a wait
            used += WAIT if len(slept) <= busy else 0.0
            yield used

    times = clock()
    monkeypatch.setattr(idle_threads, "process_time", lambda: next(times))
    monkeypatch.setattr(idle_threads, "sleep", slept.append)
    wait_for_threads()
    return len(slept)


@pytest.mark.parametrize("busy", [0, 1, 7])
def test_it_returns_when_no_thread_computes(monkeypatch: pytest.MonkeyPatch, busy: int) -> None:
    assert waits(monkeypatch, busy) == busy + 1


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waits(monkeypatch, 10 * MOST_WAITS) == MOST_WAITS
