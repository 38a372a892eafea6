"""Tasks are each done once, whoever does them, with no more threads than asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from glassconv.codegen import parallel
from glassconv.codegen.ir import INT, Code, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, runtime, threads
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


@pytest.fixture
def team_of_two() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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


@pytest.mark.usefixtures("team_of_two")
def test_torchs_threads_count() -> None:
    assert threads() == (2 if runtime() else 1)
    torch.set_num_threads(1)
    assert threads() == 1


def test_the_runtime_is_torchs() -> None:
    found = runtime()
    if "USE_OPENMP=ON" not in torch.__config__.show() or found is None:
        pytest.skip("PyTorch brings no libgomp here")
    ranges = [
        [int(bound, 16) for bound in line.split()[0].split("-")]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if str(Path(torch.__file__).parent) in line and "libgomp" in line
    ]
    for address in found.values():
        assert any(low <= address < high for low, high in ranges) or not ranges


def test_without_openmp_one_thread_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "runtime", lambda: None)
    counting.cache_clear()
    try:
        assert threads() == 1
        counts = done(100, 4)
        assert "GOMP" not in counting().text
        np.testing.assert_array_equal(counts[:, 0], 10 * (np.arange(100) + 1))
        assert (counts[:, 1] == 0).all()
    finally:
        counting.cache_clear()


def test_a_library_that_cannot_be_loaded_is_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_maps", lambda: ["0-1 r-xp 0 00:00 0 /nowhere/libgomp.so.1"])
    assert runtime.__wrapped__() is None


@pytest.mark.parametrize("lines", [[], ["7f00-7f01 r-xp 0 00:00 0"]])
def test_a_process_without_libgomp_has_no_runtime(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_maps", lambda: lines)
    assert runtime.__wrapped__() is None
