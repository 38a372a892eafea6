"""Tasks are each done once, whoever does them, with no more threads than asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from glassconv.codegen import parallel
from glassconv.codegen.ir import INT, Code, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import words_of
from support.compile_function import Array, this_machine


@cache
def counting() -> Compiled:
    """Return the function whose task n adds n + 1 to element n and the thread to that beside it."""
    module = Module("counting", "float32", this_machine())

    @function(module)
    def task(
        code: Code, parameters: Pointer, arrays: Pointer, number: Value, thread: Value
    ) -> None:
        factor = parameters.cast(INT)[0]
        counts = arrays.load_pointer(0).cast(INT)
        counts[number * 2] = counts[number * 2] + (number + 1) * factor
        counts[number * 2 + 1] = counts[number * 2 + 1] + thread

    in_parallel(module, task)
    return compiled(module, "counting")


def done(tasks: int, team: int) -> Array:
    """Return [tasks, 2]: what each task added, and which thread did it."""
    counts = np.zeros((tasks, 2), np.int64)
    counting().call(words_of(10), words_of(counts.ctypes.data), tasks, team)
    return counts


@pytest.mark.parametrize("tasks", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize("team", [0, 1, 2, 4, 9])
def test_every_task_is_done_once(tasks: int, team: int) -> None:
    counts = done(tasks, team)
    np.testing.assert_array_equal(counts[:, 0], 10 * (np.arange(tasks) + 1))
    assert tasks == 0 or 0 <= counts[:, 1].min() <= counts[:, 1].max() < max(min(team, tasks), 1)


def test_eight_threads_of_python_at_once() -> None:
    def work(number: int) -> bool:
        return all((done(50 + number, 3)[:, 0] > 0).all() for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_without_openmp_one_thread_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "runtime", lambda: None)
    counting.cache_clear()
    try:
        counts = done(100, 4)
        assert "GOMP" not in counting().text
        np.testing.assert_array_equal(counts[:, 0], 10 * (np.arange(100) + 1))
        assert (counts[:, 1] == 0).all()
    finally:
        counting.cache_clear()
