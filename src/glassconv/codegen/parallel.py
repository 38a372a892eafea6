"""Threads: tasks handed out one by one through an atomic counter, in PyTorch's own pool.

The pool is the OpenMP runtime that PyTorch has loaded, so `torch.set_num_threads` counts and no
second pool competes for the cores. A static split would wait for the slowest core of a shared
machine; a counter lets the others take what it does not get to. Without OpenMP one thread does all.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch

from glassconv.codegen.ir import INT, INT32, POINTER, VOID, Code, Module, Pointer, Value

RUNTIME = ("GOMP_parallel", "omp_get_thread_num")


@cache
def runtime() -> dict[str, int] | None:
    """Return the addresses of OpenMP's functions in the runtime PyTorch uses, None without one."""
    loaded = {Path(line.split(maxsplit=5)[-1].strip()) for line in _maps() if "libgomp" in line}
    torchs = Path(torch.__file__).parent
    # Other packages may have brought one of their own, with a pool of its own.
    for file in sorted(loaded, key=lambda each: (not each.is_relative_to(torchs), each)):
        library = ctypes.CDLL(str(file))
        if all(hasattr(library, name) for name in RUNTIME):
            return {
                name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
                for name in RUNTIME
            }
    return None


def threads() -> int:
    """Return how many threads a kernel may use: what `torch.set_num_threads` last said."""
    return torch.get_num_threads() if runtime() else 1


def in_parallel(module: Module, task: Code, name: str) -> None:
    """Write the public function `name` that does every task.

    task(plan, arrays, task's number, thread's number) is a function of the module. The one written
    is name(plan, arrays, tasks, threads): plan and arrays are addresses it only passes on.

    A task of five arguments is also told which task its thread did before, −1 for none: what that
    one left in the thread's workspace may serve again.
    """
    told = len(task.function.args) == 5
    region = Code(module, f"{name}_region", [POINTER])
    (shared,) = region.arguments()
    words = Pointer(region, shared.raw, INT)
    plan, arrays = (
        Pointer(region, region.builder.inttoptr(words[place].raw, POINTER), region.float)
        for place in (0, 1)
    )
    tasks, counter = words[2], words + 3
    if runtime():
        number = region.call("omp_get_thread_num", INT32, [])
        thread = Value(region, region.builder.sext(number.raw, INT))
    else:
        thread = region.value(0)
    before = region.variable(-1)
    more = region.function.append_basic_block("next")
    work = region.function.append_basic_block("work")
    done = region.function.append_basic_block("finished")
    region.builder.branch(more)
    region.builder.position_at_end(more)
    one = region.value(1).raw
    taken = Value(region, region.builder.atomic_rmw("add", counter.raw, one, "monotonic"))
    region.builder.cbranch((taken < tasks).raw, work, done)
    region.builder.position_at_end(work)
    region.call_function(task, plan, arrays, taken, thread, *([before.get()] if told else []))
    before.set(taken)
    region.builder.branch(more)
    region.builder.position_at_end(done)
    region.finish()

    start = Code(module, name, [POINTER, POINTER, INT, INT], public=True)
    plan, arrays, tasks, wanted = start.arguments()
    shared_words = Pointer(start, start.builder.alloca(INT, 4), INT)
    for place, address in enumerate((plan, arrays)):
        shared_words[place] = Value(start, start.builder.ptrtoint(address.raw, INT))
    shared_words[2] = tasks
    shared_words[3] = start.value(0)
    team = wanted.minimum(tasks)
    with start.either(team <= 1) as (alone, together):
        with alone:
            start.call_function(region, shared_words)
        with together:
            if runtime():
                size = start.narrow(team).raw
                flags = start.value(0, INT32).raw
                start.call(
                    "GOMP_parallel",
                    VOID,
                    [region.function, shared_words.raw, size, flags],
                )
            else:
                start.call_function(region, shared_words)
    start.finish()


def _maps() -> list[str]:
    try:
        return Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
