"""This machine's rates: measured before the first choice that needs them, then kept in a file.

    {"znver3": {"2": {"instructions": {"multiply_add": 2.5e-10, …}, …}}}

By processor and number of threads. What is measured while other processes keep the cores is not
kept. A file that is missing, not one of ours or of a machine with other caches is not used, and
where none can be written the rates are kept in memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

import torch

from glassconv.algorithms.parts import pytorch_cost, pytorch_gradient_cost
from glassconv.algorithms.parts.fastest import fastest
from glassconv.codegen.cache_folder import cache_folder
from glassconv.codegen.idle_threads import wait_for_threads
from glassconv.dispatch import slowdown
from glassconv.errors import DataError
from glassconv.problem.problem import Arguments
from glassconv.reports.machine import Machine, PyTorch

RUNS, CALLS = 50, 8  # the fastest of so many runs, of so many calls each
# Starting threads takes microseconds. A thread whose core another process has waits until the
# system takes the core away from that, some milliseconds later.
LONGEST_START = 2e-4  # seconds
LEAST_SHARE = 0.85  # of the cores' time that this process must get


class _Measuring:
    """The measurement of this process."""

    lock = Lock()


_measuring = _Measuring()


def machine() -> Machine:
    """Return the rates of this machine with the number of threads that PyTorch uses now.

    They are measured at the first call on a machine, which takes about a second. Raises
    `UnsupportedError` where no code can be generated for this processor.
    """
    with _measuring.lock:  # threads that measure at once slow each other, and choose differently
        return _machine(torch.get_num_threads())


def measure_again() -> Machine:
    """Measure the rates with this number of threads anew, keep them instead, and return them.

    Those of a busy machine are returned and not kept.
    """
    measured = _measured_apart(torch.get_num_threads())
    _keep(measured)
    _machine.cache_clear()
    return measured


def measure(threads: int) -> Machine:
    """Measure the rates of this machine. Raises `UnsupportedError` where no kernel runs."""
    # The code generator is imported when it is needed, not with the package.
    from glassconv.codegen import openmp
    from glassconv.codegen.target import host
    from glassconv.errors import UnsupportedError
    from glassconv.kernels import UNSUPPORTED_PROCESSOR
    from glassconv.kernels.runtime import rates

    target = host()
    if target is None:
        raise UnsupportedError(UNSUPPORTED_PROCESSOR, request="the rates of this machine")
    has_openmp = openmp.runtime() is not None
    team = threads if has_openmp else 1  # of our kernels
    compile_seconds = rates.probe_kernel(target).seconds
    wait_for_threads()
    start = perf_counter()
    instructions = rates.instructions(target, team)
    levels, memory = rates.levels(target, threads)
    machine = Machine(
        target.cpu,
        target.name,
        target.vector_bytes,
        threads,
        instructions,
        levels,
        memory,
        _dispatch_seconds(),
        rates.call(target),
        rates.region(target, threads),
        PyTorch(0.0, (), (), (), (), (), ()),
        0.0,
        compile_seconds,
    )
    is_busy = machine.region > LONGEST_START
    if not is_busy:
        pytorch = _measure_pytorch(machine)
        is_busy = has_openmp and rates.share_of_cores(target, team) < LEAST_SHARE
    if is_busy:
        machine = replace(machine, region=0.0, is_busy=True)
        with _one_thread():
            pytorch = _measure_pytorch(machine, threads)
    # Other processes may come and go: what is measured twice counts when it was the fastest. With
    # busy cores that is with one thread, which starts at once.
    again = rates.instructions(target, 1 if is_busy else team)
    machine = replace(machine, pytorch=pytorch, instructions=machine.instructions.fastest(again))
    machine = replace(machine, pytorch=pytorch_cost.within_peak(machine))
    if not is_busy:
        machine = replace(machine, slowdowns=slowdown.measure(machine))
    return replace(machine, seconds=perf_counter() - start)


def _measure_pytorch(machine: Machine, times: int = 1) -> PyTorch:
    """Return PyTorch's rates; times: how many threads as the one that is timed there will be."""
    pytorch = pytorch_cost.measure(machine, times)
    return replace(pytorch, gradients=tuple(pytorch_gradient_cost.measure().items()))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch use one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _dispatch_seconds() -> float:
    """Return how much longer a call of glassconv's takes than the PyTorch's that it makes."""
    from glassconv.dispatch.dispatch import convolve

    arguments = Arguments(2, False, 1, 0, 1, 1, 0, "aten", "default", None)
    # Two tensors: a call with one tensor for both is never recognised as like an earlier one.
    input, weight = torch.ones(2, 1, 1, 1, 1, dtype=torch.float32)
    through = fastest(lambda: convolve(input, weight, None, None, arguments), RUNS, CALLS)
    return max(through - fastest(lambda: torch.conv2d(input, weight), RUNS, CALLS), 0.0)


def forget() -> None:
    """Forget what was measured or read in this process."""
    _machine.cache_clear()


@cache
def _machine(threads: int) -> Machine:
    kept = _read(threads)
    if kept is not None:
        return kept
    measured = _measured_apart(threads)
    _keep(measured)
    return measured


def _measured_apart(threads: int) -> Machine:
    """Measure in a thread of its own, where none of the modes of PyTorch's is active.

    A call may come from a trace, or with another default device. Raises what `measure` raises.
    """
    with ThreadPoolExecutor(max_workers=1) as apart:
        try:
            found = apart.submit(measure, threads)
        except RuntimeError:  # the interpreter is ending
            return measure(threads)
        return found.result()


def _renew_lock() -> None:
    _measuring.lock = Lock()


if hasattr(os, "register_at_fork"):  # another thread may hold the lock when a process forks
    os.register_at_fork(after_in_child=_renew_lock)


# -- the file ---------------------------------------------------------------------------------


def file() -> Path:
    """Return where the rates are kept."""
    return cache_folder() / "machine.json"


def _document() -> dict[str, dict[str, Any]]:
    """Return the whole file; empty where it is missing or not one of ours."""
    try:
        document = json.loads(file().read_text(encoding="utf-8"))
        return {str(name): dict(by_threads) for name, by_threads in document.items()}
    except (OSError, ValueError, TypeError, AttributeError, DataError, RecursionError):
        return {}


def _read(threads: int) -> Machine | None:
    """Return what was kept for this processor; None where it is of another machine."""
    from glassconv.codegen.target import host

    target = host()
    if target is None:
        return None
    try:
        found = Machine.from_document(_document().get(target.cpu, {}).get(str(threads)))
    except DataError:
        return None
    sizes = [size for size in (target.l1, target.l2, target.l3) if size]
    is_this = (found.processor, found.target, found.threads) == (target.cpu, target.name, threads)
    is_this = is_this and [level.size for level in found.levels[:-1]] == sizes
    is_complete = pytorch_cost.is_complete(found.pytorch)
    is_complete &= [kind for kind, _ in found.pytorch.gradients] == list(
        pytorch_gradient_cost.KINDS
    )
    is_usable = is_this and is_complete and bool(found.slowdowns) and not found.is_busy
    return found if is_usable else None


def _keep(measured: Machine) -> None:
    """Add rates to the file, whole or not at all; a disk that is full or read-only keeps none."""
    if measured.is_busy:
        return
    document = _document()
    document.setdefault(measured.processor, {})[str(measured.threads)] = measured.to_document()
    try:
        place = file()
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(document, indent=1), encoding="utf-8")
        unfinished.replace(place)
    except (OSError, DataError):
        return
