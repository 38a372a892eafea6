"""Tasks that the threads of a call take one by one from an atomic counter.

A static split would wait for the slowest core of a shared machine; with a counter, the other cores
take the tasks that it does not get to. The threads are the team's (threads.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glassconv.codegen import team
from glassconv.codegen import threads as threads_of_process
from glassconv.codegen.ir import INT, VOID, Code, Function, Module, Pointer, Value, function


def in_parallel(module: Module, task: Function) -> None:
    """Write the public function that does every task; it is named as the module.

    task(parameters, arrays, number, thread) is a function of the module. The one written is
    name(parameters, arrays, tasks, threads): the first two are addresses that it only passes on.

    A task with a parameter `previous` also gets the number of the task that its thread did before,
    −1 for none: it may use again what that one left in the thread's workspace.
    """

    @function(module, f"{module.name}_region")
    def region(code: Code, shared: Pointer, thread: Value) -> None:
        """Do tasks as long as there are any: what one thread of the team does."""
        parameters, arrays = shared.load_pointer(0), shared.load_pointer(1)
        words = shared.cast(INT)
        tasks, counter = words[2], words + 3
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
        if not team.is_supported():
            region.call(shared=shared, thread=0)
            return
        module.links[threads_of_process.ENTRY] = threads_of_process.entry
        useful = threads.minimum(tasks)
        code.call_external(threads_of_process.ENTRY, VOID, [region.address(code), shared, useful])


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
