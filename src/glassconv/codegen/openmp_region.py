"""A region of PyTorch's OpenMP runtime, which notes whether its caller waited for nothing.

A region ends when each of its threads has been there, even if it has nothing left to do.
"""

from __future__ import annotations

import time
from functools import partial

from glassconv.codegen import atomic
from glassconv.codegen.ir import INT, INT32, VOID, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.openmp import runtime
from glassconv.codegen.team import call_region
from glassconv.codegen.types import vector

CLOCK_MONOTONIC = getattr(time, "CLOCK_MONOTONIC", 1)
LATE = 200_000  # nanoseconds; a thread that slept comes in a quarter of that

# Words of a call. MISSING: threads that had not come when the caller had nothing left to do.
REGION, SHARED, CAME, MISSING, DONE_AT = range(5)


def emit_region(module: Module, waited_in_vain: str, calls: int) -> Function | None:
    """Emit run(region, shared, threads), which calls region(shared, thread) in PyTorch's threads.

    waited_in_vain: the variable that is set to `calls` where the caller waited for a thread that
    came when nothing was left to do. Returns None where PyTorch has no OpenMP runtime.
    """
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
        call_region(code, call.load_pointer(REGION), call.load_pointer(SHARED), thread)
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
            atomic.store(Pointer(code, f"@{waited_in_vain}", INT), code.value(calls))

    return in_region


def _nanoseconds(code: Code) -> Value:
    time = code.place_of(vector(INT, 2)).cast(INT)
    code.call_external("clock_gettime", INT32, [code.value(CLOCK_MONOTONIC, INT32), time])
    return time[0] * 10**9 + time[1]
