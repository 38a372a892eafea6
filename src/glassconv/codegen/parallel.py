"""Threads: tasks that PyTorch's own thread pool takes one by one from an atomic counter.

That is how a single call runs. The plan of a network has threads of its own (team.py), which call
each task by the other function that is written here.

The pool is that of PyTorch's OpenMP runtime. A static split would wait for the slowest core of a
shared machine; with a counter, the other cores take the tasks that it does not get to. Without an
OpenMP runtime one thread does all tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glassconv.codegen.ir import INT, INT32, VOID, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.openmp import runtime


def in_parallel(module: Module, task: Function) -> None:
    """Write the public functions that do every task, and one task.

    task(parameters, arrays, number, thread) is a function of the module. What does every task is
    named as the module, name(parameters, arrays, tasks, threads): the first two are addresses that
    it only passes on. What does one is name_task(parameters, arrays, number, thread, previous).

    A task with a parameter `previous` also gets the number of the task that its thread did before,
    −1 for none: it may use again what that one left in the thread's workspace.
    """

    def do(previous: Value, **arguments: Pointer | Value) -> None:
        also = {"previous": previous} if "previous" in task.parameters else {}
        task.call(**arguments, **also)

    @function(module, task_name(module.name), public=True)
    def one(
        code: Code,
        parameters: Pointer,
        arrays: Pointer,
        number: Value,
        thread: Value,
        previous: Value,
    ) -> None:
        do(previous, parameters=parameters, arrays=arrays, number=number, thread=thread)

    @function(module, f"{module.name}_region")
    def region(code: Code, shared: Pointer) -> None:
        """Do tasks as long as there are any: what one thread of the team does."""
        parameters, arrays = shared.load_pointer(0), shared.load_pointer(1)
        words = shared.cast(INT)
        tasks, counter = words[2], words + 3
        thread = _thread_number(code)
        previous = code.variable(-1)
        with _taken(code, counter, tasks) as number:
            do(previous.get(), parameters=parameters, arrays=arrays, number=number, thread=thread)
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
            work = region.address(code)
            code.call_external("GOMP_parallel", VOID, [work, shared, size, flags])


def task_name(module: str) -> str:
    """Return the name of the public function of a module that does one task."""
    return f"{module}_task"


@contextmanager
def _taken(code: Code, counter: Pointer, tasks: Value) -> Iterator[Value]:
    """Do what is written within for each number that the shared counter gives, below `tasks`."""
    head, body, done = (code.block(name) for name in ("next", "work", "finished"))
    code.jump(head)
    code.continue_in(head)
    number = code.emit(INT, f"atomicrmw add {counter}, {code.value(1)} monotonic")
    code.branch(number < tasks, body, done)
    code.continue_in(body)
    yield number
    code.jump(head)
    code.continue_in(done)


def _thread_number(code: Code) -> Value:
    if runtime() is None:
        return code.value(0)
    return code.call_external("omp_get_thread_num", INT32, []).as_int()
