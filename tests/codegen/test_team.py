"""Our own threads: those that come in time help, and those that do not are not waited for."""

from __future__ import annotations

import os
import sys
import time
from functools import cache

import numpy as np
import pytest

from glassconv.codegen import team, threads
from glassconv.codegen.ir import INT, INT32, Code, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import words_of
from support.compile_function import Array, this_machine
from support.process import run_python

STEP = 2000  # microseconds
PATH = os.pathsep.join(sys.path)


@cache
def slow() -> Compiled:
    """Return the function whose task n sleeps, then writes which thread did it, plus 1."""
    module = Module("slow", "float32", this_machine())

    @function(module)
    def task(
        code: Code, parameters: Pointer, arrays: Pointer, number: Value, thread: Value
    ) -> None:
        code.call_external("usleep", INT32, [parameters.cast(INT)[0].as_int32()])
        arrays.load_pointer(0).cast(INT)[number] = thread + 1

    in_parallel(module, task)
    return compiled(module, "slow")


def done(tasks: int, most: int, microseconds: int = STEP) -> Array:
    """Return [tasks]: the thread of our team that did each task, plus 1; 0 where nobody did it."""
    by = np.zeros(tasks, np.int64)
    _, calls_left = threads.words()
    calls_left.value = 1  # not PyTorch's threads
    slow().call(words_of(microseconds), words_of(by.ctypes.data), tasks, most)
    return by


def test_threads_that_came_are_waited_for() -> None:
    for _ in range(5):
        by = done(20, 4)
        assert by.min() >= 1
        assert by.max() <= 4
    assert len(set(done(40, 4))) > 1  # while the caller sleeps, others come


def test_threads_that_sleep_come_again() -> None:
    done(4, 3)
    time.sleep(0.05)  # they looked at the gate for less than a millisecond
    assert threads.words()[0][team.SLEEPERS] >= 2
    assert len(set(done(40, 3))) > 1


@pytest.mark.parametrize("first", [2, 4])
def test_a_thread_that_is_held_back_is_not_waited_for(first: int) -> None:
    """The team believes in threads that it never started: they do not come to this call."""
    held_back = f"""
from codegen.test_team import done
from glassconv.codegen import team, threads

threads.words()[0][team.STARTED] = 8
for _ in range(3):
    assert done(20, {first}, 0).tolist() == [1] * 20
"""
    ended = run_python(held_back, variables={"PYTHONPATH": PATH})
    assert ended.code == 0, ended.err


def test_the_number_of_threads_may_change_between_calls() -> None:
    for number in (1, 4, 2, 1, 3, 8, 2):
        by = done(16, number, 200)
        assert by.min() >= 1
        assert by.max() <= number


def test_a_second_call_at_once_does_its_tasks_alone() -> None:
    words, _ = threads.words()
    done(2, 2, 0)
    words[team.OWNER] = 1  # as another Python thread's call sets it
    try:
        assert done(20, 4, 0).tolist() == [1] * 20
    finally:
        words[team.OWNER] = 0


FORK = """
import os
from codegen.test_team import done

{before}
child = os.fork()
if not child:
    for _ in range(5):
        assert len(set(done(40, 3))) > 1
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert len(set(done(40, 3))) > 1
"""


@pytest.mark.parametrize("before", ["", "done(40, 3)"])
def test_a_forked_child_has_threads_of_its_own(before: str) -> None:
    """Of a process that has called kernels before, and of one that has not."""
    ended = run_python(FORK.format(before=before), variables={"PYTHONPATH": PATH})
    assert ended.code == 0, ended.err
