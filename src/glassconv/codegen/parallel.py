"""Threads: tasks that PyTorch's own thread pool takes one by one from an atomic counter.

The pool is the OpenMP runtime that PyTorch has loaded, so `torch.set_num_threads` applies and no
second pool competes for the cores. A static split would wait for the slowest core of a shared
machine; with a counter, the other cores take the tasks that it does not get to. Where PyTorch has
not loaded libgomp (on Windows and macOS, for two) one thread does all tasks.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from glassconv.codegen.ir import INT, INT32, VOID, Code, Function, Module, Pointer, Value, function

RUNTIME = ("GOMP_parallel", "omp_get_thread_num")


@cache
def runtime() -> dict[str, int] | None:
    """Return the addresses of OpenMP's functions in the runtime PyTorch uses, None without one."""
    loaded = {Path(line.split(maxsplit=5)[-1].strip()) for line in _maps() if "libgomp" in line}
    folder_of_torch = Path(torch.__file__).parent
    # Other packages may have loaded another libgomp, with another thread pool.
    for file in sorted(loaded, key=lambda path: (not path.is_relative_to(folder_of_torch), path)):
        try:
            library = ctypes.CDLL(str(file))
        except OSError:  # a file that was replaced since it was loaded
            continue
        if all(hasattr(library, name) for name in RUNTIME):
            return {
                name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
                for name in RUNTIME
            }
    return None


def threads() -> int:
    """Return how many threads a kernel may use: `torch.get_num_threads()`, or 1 without OpenMP."""
    return torch.get_num_threads() if runtime() else 1


def in_parallel(module: Module, task: Function) -> None:
    """Write the public function that does every task; it is named as the module.

    task(parameters, arrays, number, thread) is a function of the module. The one written is
    name(parameters, arrays, tasks, threads): the first two are addresses that it only passes on.

    A task with a parameter `previous` also gets the number of the task that its thread did before,
    −1 for none: it may use again what that one left in the thread's workspace.
    """

    @function(module, f"{module.name}_region")
    def region(code: Code, shared: Pointer) -> None:
        """Do tasks as long as there are any: what one thread of the team does."""
        parameters, arrays = shared.load_pointer(0), shared.load_pointer(1)
        words = shared.cast(INT)
        tasks, counter = words[2], words + 3
        thread = _thread_number(code)
        previous = code.variable(-1)
        with _taken(code, counter, tasks) as number:
            also = {"previous": previous.get()} if "previous" in task.parameters else {}
            task.call(parameters=parameters, arrays=arrays, number=number, thread=thread, **also)
            previous.set(number)

    @function(module, module.name, public=True)
    def start(
        code: Code, parameters: Pointer, arrays: Pointer, tasks: Value, threads: Value
    ) -> None:
        shared = code.allocate(words=4)
        shared[0], shared[1] = parameters.as_int(), arrays.as_int()
        shared[2], shared[3] = tasks, code.value(0)
        if runtime() is None:
            region.call(shared=shared)
            return
        team = threads.minimum(tasks)
        with code.if_(team <= 1):
            region.call(shared=shared)
        with code.else_():
            size, flags = team.as_int32(), code.value(0, INT32)
            code.call_external("GOMP_parallel", VOID, [region.raw, shared.raw, size.raw, flags.raw])


@contextmanager
def _taken(code: Code, counter: Pointer, tasks: Value) -> Iterator[Value]:
    """Do what is written within for each number that the shared counter gives, below `tasks`."""
    head, body, done = (code.block(name) for name in ("next", "work", "finished"))
    code.builder.branch(head)
    code.builder.position_at_end(head)
    one = code.value(1).raw
    number = Value(code, code.builder.atomic_rmw("add", counter.raw, one, "monotonic"))
    code.builder.cbranch((number < tasks).raw, body, done)
    code.builder.position_at_end(body)
    yield number
    code.builder.branch(head)
    code.builder.position_at_end(done)


def _thread_number(code: Code) -> Value:
    if runtime() is None:
        return code.value(0)
    return code.call_external("omp_get_thread_num", INT32, []).as_int()


def _maps() -> list[str]:
    try:
        return Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
