"""The team: threads that run the nodes of a program, one after another, and wait for work only.

A program is a table of nodes. A node is a kernel's function and how many tasks it has; it may read
what all nodes before it have written. The thread that finishes the last task of a node opens the
next node, so no thread is waited for but one that is in the middle of a task. OpenMP's regions end
when each thread has been there, even if it has nothing left to do: where another process has its
core, that takes the scheduler some milliseconds.

The word that all threads look at is the ticket, because taking a task must be one step:

    ticket = number of the node · 2³² + threads · 2²⁴ + tasks that are left

Opening a node writes it, taking a task subtracts 1. Numbers of nodes count on from program to
program, so a thread that was held back between looking and taking fails to take, whatever runs by
then. A thread that has a task keeps its node open: only then it reads what the node is.

A thread without a task looks at the ticket for some microseconds, since nodes follow each other,
and then sleeps. Threads start when a program first needs them, and never end: what they wait for
belongs to the process. A forked child has none, and starts its own. A program that begins while
another one runs is run by its caller alone.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from glassconv.codegen import atomic
from glassconv.codegen.ir import INT, INT32, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import Target, host

ENTRY = "run_program"
LEFT, THREADS, NODE_NUMBER = 1, 2**24, 2**32  # units of the ticket
MAX_TASKS, MAX_THREADS = THREADS - 1, NODE_NUMBER // THREADS - 1

# Looks at the ticket, each with a pause, before a thread sleeps: 50 to 200 µs. Whoever runs the
# program looks a tenth of that for a task that another thread has.
LOOKS, LAST_LOOKS = 2**12, 2**9

# The team's words, a cache line apart, so that who waits does not slow down who works.
LINE = 8
TICKET, DONE, NODE, END, FINISHED, OWNER, STARTED, SLEEPERS = range(0, 8 * LINE, LINE)
MUTEX, CHANGE = range(8 * LINE, 12 * LINE, 2 * LINE)  # POSIX's, of up to two lines each
WORDS = 12 * LINE

POSIX = (
    "pthread_create", "pthread_detach", "pthread_mutex_init", "pthread_mutex_lock",
    "pthread_mutex_unlock", "pthread_cond_init", "pthread_cond_wait", "pthread_cond_broadcast",
)  # fmt: skip


@dataclass(frozen=True)
class Node(Struct[N]):
    """A node of a program: what its tasks call, and how many there are, at least one."""

    function: N  # name_task of a kernel's module (parallel.py)
    parameters: N  # addresses of what the function gets
    arrays: N
    tasks: N


WORDS_PER_NODE = 4


def run_program(nodes: Any, count: int, threads: int) -> None:
    """Run a table of nodes with up to so many threads, and return when all tasks are done.

    nodes: `Node[int]`, packed one after another. Their tasks must be at most `MAX_TASKS`.
    """
    most = min(threads, MAX_THREADS) if is_supported() else 1
    _kernel()[0].call(nodes, count, most, 0)


@cache
def is_supported() -> bool:
    """Return whether this process has the threads of POSIX."""
    process = _process()
    return process is not None and all(hasattr(process, name) for name in POSIX)


def words() -> Any:
    """Return the team's words, for tests."""
    return _kernel()[1]


@cache
def _kernel() -> tuple[Compiled, Any]:
    target = host()
    assert target is not None, "no code is generated where none runs"
    kernel = compiled(build_module(target), ENTRY)
    engine = kernel.call.engine
    memory = (ctypes.c_int64 * WORDS).from_address(engine.get_global_value_address("words"))
    engine.detach()  # its threads run this code for as long as the process
    _begin(memory)
    if hasattr(os, "register_at_fork"):  # a forked child has none of the threads
        os.register_at_fork(after_in_child=lambda: _begin(memory))
    return kernel, memory


def _begin(memory: Any) -> None:
    """Begin without threads."""
    ctypes.memset(memory, 0, ctypes.sizeof(memory))
    if not is_supported():
        return
    process = _process()
    process.pthread_mutex_init(ctypes.byref(memory, 8 * MUTEX), None)
    process.pthread_cond_init(ctypes.byref(memory, 8 * CHANGE), None)


@cache
def _process() -> Any:
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no handle for all libraries of a process
        return None


# -- the code ---------------------------------------------------------------------------------


def build_module(target: Target) -> Module:
    """Return the team's LLVM module, not yet compiled."""
    module = Module("team", "float32", target)
    module.define(f"@words = global [{WORDS} x {INT}] zeroinitializer, align 64")
    alone = _emit_alone(module)
    open_node = _emit_open(module)
    take = _emit_take(module, open_node)
    thread = _emit_thread(module, take) if is_supported() else None

    @function(module, ENTRY, public=True)
    def run(
        code: Code, nodes: Pointer, count: Value, threads: Value, unused: Value
    ) -> None:  # compiled functions have four parameters
        team, end = _team(code), nodes.cast(INT) + count * WORDS_PER_NODE
        if thread is None:
            alone.call(nodes=nodes, end=end)
            return
        has_team = code.variable(0)
        with code.if_((threads > 1) & (count > 0)):
            free = atomic.compare_and_set(team + OWNER, code.value(0), code.value(1))
            has_team.set(free.as_int())
        with code.if_(has_team.get().equals(0)):
            alone.call(nodes=nodes, end=end)
        with code.else_():
            _start_threads(code, team, thread, threads)
            atomic.store(team + END, end.as_int())
            atomic.store(team + FINISHED, code.value(0))
            open_node.call(node=nodes, threads=threads)
            _take_until_finished(code, team, take)
            atomic.store(team + OWNER, code.value(0))

    return module


def _team(code: Code) -> Pointer:
    return Pointer(code, "@words", INT)


def _call_task(
    code: Code, node: Node[Pointer], number: Value, thread: Value, before: Value
) -> None:
    """Call a node's function for one task; before: the task that this thread did just before."""
    arguments = ", ".join(map(str, (node.parameters, node.arrays, number, thread, before)))
    code.write(f"call void {node.function.name}({arguments})")


def _tasks(code: Code, node: Pointer) -> Value:
    return node.cast(INT)[3]


def _emit_alone(module: Module) -> Function:
    @function(module)
    def alone(code: Code, nodes: Pointer, end: Pointer) -> None:
        """Do every task of a program in this thread."""
        with code.loop(nodes.as_int(), end.as_int(), WORDS_PER_NODE * 8) as address:
            node = _pointer(code, address)
            with code.loop(0, _tasks(code, node)) as number:
                _call_task(code, _node(node), number, code.value(0), number - 1)

    return alone


def _node(node: Pointer) -> Node[Pointer]:
    """Return what a node is now; `struct.read` would load it where the function begins."""
    return Node(*(node.load_pointer(place) for place in range(WORDS_PER_NODE)))


def _pointer(code: Code, address: Value) -> Pointer:
    return code.null().add_bytes(address)


def _emit_open(module: Module) -> Function:
    @function(module)
    def open_node(code: Code, node: Pointer, threads: Value) -> None:
        """Let threads take the tasks of a node, and wake those that sleep if they have some."""
        team, tasks = _team(code), _tasks(code, node)
        atomic.store(team + DONE, code.value(0))
        atomic.store(team + NODE, node.as_int())
        number = atomic.load(team + TICKET) // NODE_NUMBER + 1
        atomic.store(team + TICKET, number * NODE_NUMBER + threads * THREADS + tasks)
        with code.if_(tasks > 1):
            _wake(code, team)

    return open_node


def _emit_take(module: Module, open_node: Function) -> Function:
    @function(module)
    def take(code: Code, thread: Value, seen: Pointer) -> None:
        """Do tasks as long as there are any for this thread.

        seen: three words, the number of the node and of the task that it did last, and whether it
        did one now.
        """
        team = _team(code)
        last_node, last_task, did = (seen.cast(INT) + place for place in range(3))
        did[0] = code.value(0)
        ticket = code.variable(atomic.load(team + TICKET))
        with code.while_(lambda: _is_for(ticket.get(), thread)):
            word = ticket.get()
            with code.if_(atomic.compare_and_set(team + TICKET, word, word - LEFT)):
                node = _pointer(code, atomic.load(team + NODE))
                tasks = _tasks(code, node)
                number, opened = tasks - word % THREADS, word // NODE_NUMBER
                before = code.select(last_node[0].equals(opened), last_task[0], -1)
                _call_task(code, _node(node), number, thread, before)
                last_node[0], last_task[0], did[0] = opened, number, code.value(1)
                with code.if_((atomic.add(team + DONE, code.value(1)) + 1).equals(tasks)):
                    following = node.cast(INT) + WORDS_PER_NODE
                    with code.if_(following.as_int().equals(atomic.load(team + END))):
                        atomic.store(team + FINISHED, code.value(1))
                        _wake(code, team)
                    with code.else_():
                        threads = word // THREADS % (NODE_NUMBER // THREADS)
                        open_node.call(node=following, threads=threads)
            ticket.set(atomic.load(team + TICKET))

    return take


def _is_for(ticket: Value, thread: Value) -> Value:
    """Return whether a ticket has a task for the thread of this number."""
    return (ticket % THREADS > 0) & (thread < ticket // THREADS % (NODE_NUMBER // THREADS))


def _take_until_finished(code: Code, team: Pointer, take: Function) -> None:
    """Do tasks until the program is finished, and sleep while others have the last ones."""
    seen = code.allocate(words=3)
    seen[0] = code.value(-1)
    looks = code.variable(0)
    with code.while_(lambda: atomic.load(team + FINISHED).equals(0)):
        take.call(thread=code.value(0), seen=seen)
        atomic.pause(code)
        looks.set(code.select(seen[2] > 0, code.value(0), looks.get() + 1))
        with code.if_(looks.get() > LAST_LOOKS):
            _sleep_while(code, team, lambda: _is_with_others(team))


def _is_with_others(team: Pointer) -> Value:
    """Return whether a program is not finished, and all tasks of its node are taken."""
    return (atomic.load(team + FINISHED) + atomic.load(team + TICKET) % THREADS).equals(0)


def _start_threads(code: Code, team: Pointer, thread: Function, threads: Value) -> None:
    """Start threads until there are so many, the caller's among them."""
    with code.loop(atomic.load(team + STARTED), threads - 1) as number:
        identity = code.place_of(INT)
        argument = _pointer(code, number + 1)
        arguments = [identity, code.null(), thread.address(code), argument]
        failed = code.call_external("pthread_create", INT32, arguments).as_int()
        with code.if_(failed.equals(0)):  # without it, one thread fewer may come
            code.call_external("pthread_detach", INT32, [identity[0]])
            atomic.add(team + STARTED, code.value(1))


def _emit_thread(module: Module, take: Function) -> Function:
    @function(module)
    def thread(code: Code, number: Pointer) -> None:
        """Do tasks as long as the process."""
        team, index = _team(code), number.as_int()
        seen = code.allocate(words=3)
        seen[0] = code.value(-1)
        looks = code.variable(0)
        with code.while_(lambda: code.value(1).equals(1)):
            take.call(thread=index, seen=seen)
            atomic.pause(code)
            looks.set(code.select(seen[2] > 0, code.value(0), looks.get() + 1))
            with code.if_(looks.get() > LOOKS):
                _sleep_while(
                    code, team, lambda: _is_for(atomic.load(team + TICKET), index).equals(0)
                )

    return thread


def _sleep_while(code: Code, team: Pointer, condition: Callable[[], Value]) -> None:
    """Sleep as long as a condition holds; who ends it writes first and then wakes sleepers."""
    with _locked(code, team):
        atomic.add(team + SLEEPERS, code.value(1))
        with code.while_(condition):
            code.call_external("pthread_cond_wait", INT32, [team + CHANGE, team + MUTEX])
        atomic.add(team + SLEEPERS, code.value(-1))


def _wake(code: Code, team: Pointer) -> None:
    """Wake all threads that sleep."""
    if not is_supported():
        return
    with code.if_(atomic.load(team + SLEEPERS) > 0), _locked(code, team):
        code.call_external("pthread_cond_broadcast", INT32, [team + CHANGE])


@contextmanager
def _locked(code: Code, team: Pointer) -> Iterator[None]:
    code.call_external("pthread_mutex_lock", INT32, [team + MUTEX])
    yield
    code.call_external("pthread_mutex_unlock", INT32, [team + MUTEX])
