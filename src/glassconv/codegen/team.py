"""Our own threads: they help with a call if they come in time, and are not waited for if not.

A call opens a gate with a place for each further thread, and does tasks itself. A thread that comes
while the gate is open takes a place and does tasks too. When none is left, the caller closes the
gate and waits for the threads that came, which are at their last tasks. A thread whose core another
process has finds the gate closed when it gets its core back, and nobody has waited for it.

The gate is one word, because closing it and counting who came must be one step:

    gate = generation · 2¹⁶ + places left

Opening adds 1 to the generation, taking a place subtracts 1, closing sets the places to 0. The
number of the place is the number of the thread in this call. A thread without work looks at the
gate for some microseconds, since layers follow each other, and then sleeps.

One call has the team at a time. Another Python thread's call that begins in between does its tasks
alone. Threads start when a call first needs them, and never end: what they wait for belongs to the
process. A forked child has none, and starts its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from glassconv.codegen import atomic
from glassconv.codegen.ir import INT, INT32, VOID, Code, Function, Module, Pointer, Value, function

PLACES = 2**16  # a generation of the gate
# Looks at a word, each with a pause, before a thread sleeps: 50 to 200 µs for the next call,
# and a tenth of that for the last threads of this one.
LOOKS, LAST_LOOKS = 2**12, 2**9

# The team's words, a cache line apart, so that who waits does not slow down who works.
LINE = 8
GATE, LEFT, OWNER, STARTED, SLEEPERS, CALLER_SLEEPS, JOB = range(0, 7 * LINE, LINE)
MUTEX, WORK, DONE = range(8 * LINE, 14 * LINE, 2 * LINE)  # POSIX's, of up to two lines each
WORDS = 14 * LINE
VARIABLE = "team"

POSIX = (
    "pthread_create", "pthread_detach", "pthread_mutex_init", "pthread_mutex_lock",
    "pthread_mutex_unlock", "pthread_cond_init", "pthread_cond_wait", "pthread_cond_signal",
)  # fmt: skip


@cache
def is_supported() -> bool:
    """Return whether this process has the threads of POSIX."""
    process = _process()
    return process is not None and all(hasattr(process, name) for name in POSIX)


def begin(words: Any) -> None:
    """Begin without threads: in a new process, or in a forked one."""
    ctypes.memset(words, 0, ctypes.sizeof(words))
    process = _process()
    process.pthread_mutex_init(ctypes.byref(words, 8 * MUTEX), None)
    for condition in (WORK, DONE):
        process.pthread_cond_init(ctypes.byref(words, 8 * condition), None)


@cache
def _process() -> Any:
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no handle for all libraries of a process
        return None


def emit_team(module: Module) -> Function:
    """Emit run(region, shared, threads), which calls region(shared, thread) in our threads."""
    module.define(f"@{VARIABLE} = global [{WORDS} x {INT}] zeroinitializer, align 64")
    thread = _emit_thread(module)

    @function(module)
    def in_our_team(code: Code, region: Pointer, shared: Pointer, threads: Value) -> None:
        team = _words(code)
        free = atomic.compare_and_set(team + OWNER, code.value(0), code.value(1))
        with code.if_(free):
            _open(code, team, thread, region, shared, threads)
            call_region(code, region, shared, code.value(0))
            _close(code, team, threads)
            atomic.store(team + OWNER, code.value(0))
        with code.else_():
            call_region(code, region, shared, code.value(0))

    return in_our_team


def call_region(code: Code, region: Pointer, shared: Pointer, thread: Value) -> None:
    """Emit the call region(shared, thread)."""
    code.write(f"call {VOID} {region.name}({shared}, {thread})")


def _words(code: Code) -> Pointer:
    return Pointer(code, f"@{VARIABLE}", INT)


def _open(
    code: Code, team: Pointer, thread: Function, region: Pointer, shared: Pointer, threads: Value
) -> None:
    """Open the gate for all threads but the caller's, and wake those that sleep."""
    with code.loop(atomic.load(team + STARTED), threads - 1):
        identity = code.place_of(INT)
        arguments = [identity, code.null(), thread.address(code), code.null()]
        failed = code.call_external("pthread_create", INT32, arguments).as_int()
        with code.if_(failed.equals(0)):  # without it, one thread fewer may come
            code.call_external("pthread_detach", INT32, [identity[0]])
            atomic.add(team + STARTED, code.value(1))
    atomic.store(team + LEFT, code.value(0))
    atomic.store(team + JOB, region.as_int())
    atomic.store(team + JOB + 1, shared.as_int())
    generation = atomic.load(team + GATE) // PLACES + 1
    atomic.store(team + GATE, generation * PLACES + (threads - 1))
    with code.if_(atomic.load(team + SLEEPERS) > 0), _locked(code, team), code.loop(1, threads):
        code.call_external("pthread_cond_signal", INT32, [team + WORK])


def _close(code: Code, team: Pointer, threads: Value) -> None:
    """Close the gate, and wait for the threads that came through it."""
    before = atomic.keep_bits(team + GATE, code.value(-PLACES))
    came = threads - 1 - before % PLACES
    looks = code.variable(0)
    with code.while_(lambda: (atomic.load(team + LEFT) < came) & (looks.get() < LAST_LOOKS)):
        atomic.pause(code)
        looks.set(looks.get() + 1)
    with code.if_(atomic.load(team + LEFT) < came), _locked(code, team):
        atomic.store(team + CALLER_SLEEPS, code.value(1))
        with code.while_(lambda: atomic.load(team + LEFT) < came):
            code.call_external("pthread_cond_wait", INT32, [team + DONE, team + MUTEX])
        atomic.store(team + CALLER_SLEEPS, code.value(0))


def _emit_thread(module: Module) -> Function:
    @function(module)
    def thread(code: Code, nothing: Pointer) -> None:
        """Take part in each call that this thread comes in time for, as long as the process."""
        team = _words(code)
        seen, looks = code.variable(0), code.variable(0)

        def is_open(gate: Value) -> Value:
            return (gate % PLACES > 0) & (gate // PLACES > seen.get())

        with code.while_(lambda: code.value(1).equals(1)):
            gate = atomic.load(team + GATE)
            with code.if_(is_open(gate)):
                looks.set(code.value(0))
                with code.if_(atomic.compare_and_set(team + GATE, gate, gate - 1)):
                    seen.set(gate // PLACES)
                    job = team + JOB
                    call_region(code, job.load_pointer(0), job.load_pointer(1), gate % PLACES)
                    atomic.add(team + LEFT, code.value(1))
                    with (
                        code.if_(atomic.load(team + CALLER_SLEEPS) > 0),
                        _locked(code, team),
                    ):
                        code.call_external("pthread_cond_signal", INT32, [team + DONE])
            atomic.pause(code)
            looks.set(looks.get() + 1)
            with code.if_(looks.get() > LOOKS):
                looks.set(code.value(0))
                with _locked(code, team):
                    atomic.add(team + SLEEPERS, code.value(1))
                    with code.while_(lambda: is_open(atomic.load(team + GATE)).equals(0)):
                        code.call_external("pthread_cond_wait", INT32, [team + WORK, team + MUTEX])
                    atomic.add(team + SLEEPERS, code.value(-1))

    return thread


@contextmanager
def _locked(code: Code, team: Pointer) -> Iterator[None]:
    code.call_external("pthread_mutex_lock", INT32, [team + MUTEX])
    yield
    code.call_external("pthread_mutex_unlock", INT32, [team + MUTEX])
