"""The team: threads that help with a call if they come in time, and are not waited for if not.

As long as PyTorch's threads come, they are the team: they look for work for a millisecond after an
operation, with the core on which a second team would have to start. But a region of OpenMP ends
when each of its threads has been there, even if it has nothing left to do. When a call has waited
for one that never came, the next calls have a team of our own, and then PyTorch's is tried again.

A call opens a gate with a place for each further thread, and does tasks itself. A thread that comes
while the gate is open takes a place and does tasks too. When none is left, the caller closes the
gate and waits for the threads that came, which are at their last tasks. A thread whose core another
process has finds the gate closed when it gets its core back, and nobody has waited for it.

The gate is one word, because closing it and counting who came must be one step:

    gate = generation · 2¹⁶ + places left

Opening adds 1 to the generation, taking a place subtracts 1, closing sets the places to 0. The
number of the place is the number of the thread in this call. A thread without work looks at the
gate for some microseconds, since layers follow each other, and then sleeps.

One call has our team at a time. Another Python thread's call that begins in between does its tasks
alone. Threads start when a call first needs them, and never end: what they wait for belongs to the
process. A forked child has none, and starts its own.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch

from glassconv.codegen import atomic
from glassconv.codegen.ir import INT, INT32, VOID, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import runtime
from glassconv.codegen.target import Target, host
from glassconv.codegen.types import vector

ENTRY = "glassconv_run_in_team"
PLACES = 2**16  # a generation of the gate
# Looks at a word, each with a pause, before a thread sleeps: 50 to 200 µs for the next call,
# and a tenth of that for the last threads of this one.
LOOKS, LAST_LOOKS = 2**12, 2**9

CLOCK_MONOTONIC = getattr(time, "CLOCK_MONOTONIC", 1)
LATE = 200_000  # nanoseconds that a call waits for nothing before the next ones have our team
CALLS = 64  # that have it, before PyTorch's is tried again

# The team's words, a cache line apart, so that who waits does not slow down who works.
LINE = 8
GATE, LEFT, OWNER, STARTED, SLEEPERS, CALLER_SLEEPS, JOB, OURS = range(0, 8 * LINE, LINE)
MUTEX, WORK, DONE = range(8 * LINE, 14 * LINE, 2 * LINE)  # POSIX's, of up to two lines each
WORDS = 14 * LINE

POSIX = (
    "pthread_create", "pthread_detach", "pthread_mutex_init", "pthread_mutex_lock",
    "pthread_mutex_unlock", "pthread_cond_init", "pthread_cond_wait", "pthread_cond_signal",
)  # fmt: skip


def threads() -> int:
    """Return how many threads a kernel may use: `torch.get_num_threads()`, or 1 without a team."""
    return torch.get_num_threads() if is_supported() else 1


@cache
def is_supported() -> bool:
    """Return whether this process has the threads of POSIX."""
    process = _process()
    return process is not None and all(hasattr(process, name) for name in POSIX)


def entry() -> int:
    """Return the address of run(region, shared, threads), which calls region(shared, thread)."""
    return _kernel()[0].address


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
    process = _process()
    process.pthread_mutex_init(ctypes.byref(memory, 8 * MUTEX), None)
    for condition in (WORK, DONE):
        process.pthread_cond_init(ctypes.byref(memory, 8 * condition), None)


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
    in_region = _emit_region(module)
    in_our_team = _emit_team(module)

    @function(module, ENTRY, public=True)
    def run(code: Code, region: Pointer, shared: Pointer, threads: Value) -> None:
        """Call region(shared, thread) in this thread, and in those that come meanwhile."""
        ours = Pointer(code, "@words", INT) + OURS
        with code.if_(threads <= 1):
            _call(code, region, shared, code.value(0))
        with code.else_():
            if in_region is None:
                in_our_team.call(region=region, shared=shared, threads=threads)
                return
            with code.if_(atomic.load(ours) > 0):
                atomic.add(ours, code.value(-1))
                in_our_team.call(region=region, shared=shared, threads=threads)
            with code.else_():
                in_region.call(region=region, shared=shared, threads=threads)

    return module


# -- PyTorch's threads ------------------------------------------------------------------------

# Words of a call's region. CAME: threads but the caller; DONE_AT: when it had nothing left to do.
REGION, SHARED, CAME, MISSING, DONE_AT = range(5)


def _emit_region(module: Module) -> Function | None:
    """Emit run(region, shared, threads) by PyTorch's OpenMP runtime, None where there is none."""
    addresses = runtime()
    if addresses is None:
        return None
    for name, address in addresses.items():
        module.links[name] = partial(int, address)

    @function(module)
    def member(code: Code, call: Pointer) -> None:
        """Do tasks, and note who came, and when the caller had nothing left to do."""
        words = call.cast(INT)
        thread = code.call_external("omp_get_thread_num", INT32, []).as_int()
        with code.if_(thread > 0):
            atomic.add(words + CAME, code.value(1))
        _call(code, call.load_pointer(REGION), call.load_pointer(SHARED), thread)
        with code.if_(thread.equals(0)):
            words[MISSING] = words[MISSING] - atomic.load(words + CAME)
            words[DONE_AT] = _nanoseconds(code)

    @function(module)
    def in_region(code: Code, region: Pointer, shared: Pointer, threads: Value) -> None:
        call = code.allocate(words=5)
        call[REGION], call[SHARED] = region.as_int(), shared.as_int()
        call[CAME], call[MISSING] = code.value(0), threads - 1
        size, flags = threads.as_int32(), code.value(0, INT32)
        code.call_external("GOMP_parallel", VOID, [member.address(code), call, size, flags])
        with code.if_(call[MISSING] > 0), code.if_(_nanoseconds(code) - call[DONE_AT] > LATE):
            atomic.store(Pointer(code, "@words", INT) + OURS, code.value(CALLS))

    return in_region


def _nanoseconds(code: Code) -> Value:
    time = code.place_of(vector(INT, 2)).cast(INT)
    code.call_external("clock_gettime", INT32, [code.value(CLOCK_MONOTONIC, INT32), time])
    return time[0] * 10**9 + time[1]


# -- our threads ------------------------------------------------------------------------------


def _emit_team(module: Module) -> Function:
    """Emit run(region, shared, threads) by our own threads."""
    thread = _emit_thread(module)

    @function(module)
    def in_our_team(code: Code, region: Pointer, shared: Pointer, threads: Value) -> None:
        team = Pointer(code, "@words", INT)
        free = atomic.compare_and_set(team + OWNER, code.value(0), code.value(1))
        with code.if_(free):
            _open(code, team, thread, region, shared, threads)
            _call(code, region, shared, code.value(0))
            _close(code, team, threads)
            atomic.store(team + OWNER, code.value(0))
        with code.else_():
            _call(code, region, shared, code.value(0))

    return in_our_team


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
        team = Pointer(code, "@words", INT)
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
                    _call(code, job.load_pointer(0), job.load_pointer(1), gate % PLACES)
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


def _call(code: Code, region: Pointer, shared: Pointer, thread: Value) -> None:
    code.write(f"call {VOID} {region.name}({shared}, {thread})")


@contextmanager
def _locked(code: Code, team: Pointer) -> Iterator[None]:
    code.call_external("pthread_mutex_lock", INT32, [team + MUTEX])
    yield
    code.call_external("pthread_mutex_unlock", INT32, [team + MUTEX])
