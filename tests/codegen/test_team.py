"""The team: nodes run one after another, and no thread is waited for that has no task."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from glassconv.codegen import team
from glassconv.codegen.ir import INT, INT32, Code, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, task_name
from glassconv.codegen.struct import words_of
from support.compile_function import Array, this_machine
from support.process import run_python

STEP = 2000  # microseconds
PATH = os.pathsep.join(sys.path)
needs_threads = pytest.mark.skipif(not team.is_supported(), reason="this system has no pthreads")


@cache
def slow() -> Compiled:
    """Return the function whose task n sleeps, then writes what it is given.

    arrays: three addresses. thread[n] is which thread did it, previous[n] its task before, and
    order[n] how many tasks of the whole program had begun.
    """
    module = Module("slow", "float32", this_machine())

    @function(module)
    def task(
        code: Code,
        parameters: Pointer,
        arrays: Pointer,
        number: Value,
        thread: Value,
        previous: Value,
    ) -> None:
        counter = parameters.cast(INT) + 1
        begun = code.emit(INT, f"atomicrmw add {counter}, {code.value(1)} seq_cst")
        with code.if_(parameters.cast(INT)[0] > 0):
            code.call_external("usleep", INT32, [parameters.cast(INT)[0].as_int32()])
        for place, value in enumerate((thread, previous, begun)):
            arrays.load_pointer(place).cast(INT)[number] = value

    in_parallel(module, task)
    return compiled(module, "slow")


class Program:
    """A program of slow nodes, of so many tasks each."""

    def __init__(self, tasks: Sequence[int], microseconds: int = 0) -> None:
        self.tasks = tasks
        self.parameters = words_of(microseconds, 0)
        self.arrays = [np.full((3, count), -9, np.int64) for count in tasks]
        self.addresses = [words_of(*(row.ctypes.data for row in each)) for each in self.arrays]
        task = slow().address_of(task_name("slow"))
        words = [
            (task, ctypes.addressof(self.parameters), ctypes.addressof(each), count)
            for each, count in zip(self.addresses, tasks, strict=True)
        ]
        self.nodes = words_of(*(word for node in words for word in node))

    def run(self, threads: int) -> list[Array]:
        """Return [thread, previous, order] of each task, node by node."""
        self.parameters[1] = 0
        for each in self.arrays:
            each.fill(-9)
        team.run_program(self.nodes, len(self.tasks), threads)
        return self.arrays


def check(program: Program, threads: int) -> set[int]:
    """Run a program, check that its nodes ran in order, and return which threads did."""
    begun = 0
    used: set[int] = set()
    for (by, previous, order), count in zip(program.run(threads), program.tasks, strict=True):
        assert sorted(order) == list(range(begun, begun + count))
        begun += count
        assert by.min() >= 0
        assert by.max() < threads
        used.update(by.tolist())
        for number, before in enumerate(previous):
            assert before < number
            if before >= 0:  # the last task of the same thread
                assert by[before] == by[number]
                assert not (by[before + 1 : number] == by[number]).any()
    return used


def test_each_task_runs_once_after_all_of_the_node_before() -> None:
    program = Program([3, 1, 7, 2, 40, 1, 1, 5])
    for threads in (1, 2, 3, 4, 2, 1, 8) * 20:
        check(program, threads)


@needs_threads
def test_threads_help_where_tasks_take_time() -> None:
    assert len(check(Program([40, 20], 200), 3)) > 1


@needs_threads
def test_threads_that_sleep_come_again() -> None:
    check(Program([4], STEP), 3)
    time.sleep(0.05)  # they looked for less than a millisecond
    assert team.words()[team.SLEEPERS] >= 2
    assert len(check(Program([40], STEP), 3)) > 1


@needs_threads
def test_threads_that_sleep_wake_for_a_later_node() -> None:
    """The first node has one task, which takes longer than the others look for work."""
    for _ in range(5):
        assert len(check(Program([1, 40], STEP), 2)) > 1


def test_a_program_of_no_nodes_ends() -> None:
    team.run_program(words_of(0), 0, 4)


@needs_threads
@pytest.mark.parametrize("threads", [2, 4])
def test_a_thread_that_does_not_come_is_not_waited_for(threads: int) -> None:
    """The team believes in threads that it never started: they do not come to this program."""
    held_back = f"""
from codegen.test_team import Program, check
from glassconv.codegen import team

team.words()[team.STARTED] = 8
for _ in range(3):
    assert check(Program([20, 1, 5]), {threads}) == {{0}}
"""
    ended = run_python(held_back, variables={"PYTHONPATH": PATH})
    assert ended.code == 0, ended.err


@needs_threads
def test_a_program_beside_another_is_run_by_its_caller_alone() -> None:
    words = team.words()
    check(Program([2]), 2)
    words[team.OWNER] = 1  # as another Python thread's program sets it
    try:
        assert check(Program([20, 3]), 4) == {0}
    finally:
        words[team.OWNER] = 0


def test_python_threads_run_programs_at_once() -> None:
    failures: list[Any] = []

    def many() -> None:
        program = Program([3, 1, 8, 2])
        try:
            for threads in (1, 2, 3, 4) * 50:
                check(program, threads)
        except AssertionError as error:
            failures.append(error)

    callers = [threading.Thread(target=many) for _ in range(3)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert not failures


FORK = """
import os
from codegen.test_team import Program, check

{before}
child = os.fork()
if not child:
    for _ in range(5):
        assert len(check(Program([40, 8], 500), 3)) > 1
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert len(check(Program([40, 8], 500), 3)) > 1
"""


@needs_threads
@pytest.mark.parametrize("before", ["", "check(Program([40], 500), 3)"])
def test_a_forked_child_has_threads_of_its_own(before: str) -> None:
    """Of a process that has run programs before, and of one that has not."""
    ended = run_python(FORK.format(before=before), variables={"PYTHONPATH": PATH})
    assert ended.code == 0, ended.err
