"""The rates of this machine, measured once: instructions, caches, memory, calls and threads.

One generated function has a loop for each kind of instruction. What is measured is what kernels are
made of, in the code that the code generator writes. Each rate is the best of some short runs,
because other processes only make runs slower.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor

from glassconv.algorithms.parts.fastest import fastest
from glassconv.codegen.ir import INT, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack
from glassconv.codegen.target import Target
from glassconv.kernels.runtime.blocking import Blocking
from glassconv.kernels.runtime.parameters import Arrays, pack_arrays
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, contiguous
from glassconv.reports.machine import Instructions, Level

CHAINS = 12  # a multiply-add takes four or five clocks, and two start in each
RUNS = 7  # of which the fastest counts
STEPS = 2**17  # instructions of a run, which take 20 to 800 microseconds
LONG_STEPS = 2**27  # some tens of milliseconds, in which processor time is counted well enough
ELEMENTS = 2**11  # of the array in L1
LEAST_READ = 2**19  # elements, in a run through a cache
LARGEST_MEMORY = 2**26  # bytes to read from memory; larger caches would take longer to exceed


@dataclass(frozen=True)
class ProbeParameters(Struct[N]):
    """What a task does, and how often."""

    probe: N  # its number
    steps: N
    length: N  # elements of the array, a multiple of eight vectors
    share: N  # elements between the arrays of two tasks


Probe = Callable[[Code, ProbeParameters[Value], Pointer], None]


def _multiply_adds(chains: int) -> Probe:
    def emit(code: Code, p: ProbeParameters[Value], array: Pointer) -> None:
        left, right = array.vector(0), array.vector(code.lanes)
        sums = [code.variable(array.vector(place * code.lanes)) for place in range(chains)]
        with code.loop(0, p.steps, chains):
            for total in sums:
                total.set(code.fma(left, right, total.get()))
        for place, total in enumerate(sums):  # LLVM removes what nothing reads
            array[place * code.lanes] = total.get()

    return emit


def _loads(load: Callable[[Code, Pointer, Value], Value], at_once: int = 8) -> Probe:
    def emit(code: Code, p: ProbeParameters[Value], array: Pointer) -> None:
        sums = [code.variable(code.zeros()) for _ in range(at_once)]
        mask = code.first_lanes(p.length)
        with (
            code.loop(0, p.steps, p.length // code.lanes),
            code.loop(0, p.length, at_once * code.lanes) as start,
        ):
            for place, total in enumerate(sums):
                total.set(total.get() + load(code, array + (start + place * code.lanes), mask))
        for place, total in enumerate(sums):
            array[place * code.lanes] = total.get()

    return emit


def _stores(*, masked: bool) -> Probe:
    def emit(code: Code, p: ProbeParameters[Value], array: Pointer) -> None:
        value, mask = array.vector(), code.first_lanes(p.length)
        with (
            code.loop(0, p.steps, p.length // code.lanes),
            code.loop(0, p.length, 8 * code.lanes) as start,
        ):
            for place in range(8):
                if masked:
                    array.store_masked(mask, value, start + place * code.lanes)
                else:
                    array[start + place * code.lanes] = value

    return emit


def _emit_short_loops(module: Module, name: str, *, random: bool) -> Probe:
    @function(module, name)
    def short_loop(code: Code, array: Pointer, length: Value) -> None:
        with code.loop(0, length) as place:
            first = array + place * code.lanes
            first[8 * code.lanes] = first.vector() + first.vector(4 * code.lanes)

    def emit(code: Code, p: ProbeParameters[Value], array: Pointer) -> None:
        # The highest bits of a linear congruential generator (Knuth, MMIX), from 0 to 3. Without
        # its increment it stays at 0.
        state = code.variable(array.cast(INT)[0])  # 0, which LLVM does not know
        with code.loop(0, p.steps):
            state.set(state.get() * 6364136223846793005 + 1442695040888963407 * random)
            length = (state.get() >> code.value(62)) + 1
            short_loop.call(array=array, length=length)

    return emit


def _emit_task(module: Module) -> Function:
    probes: tuple[Probe, ...] = (
        _multiply_adds(CHAINS),
        _multiply_adds(1),
        _loads(lambda code, address, mask: address.vector()),
        _stores(masked=False),
        _loads(lambda code, address, mask: address.masked(mask)),
        _stores(masked=True),
        _loads(lambda code, address, mask: address.gather(3, mask), at_once=2),
        _emit_short_loops(module, "same_length", random=False),
        _emit_short_loops(module, "random_length", random=True),
    )

    @function(module)
    def task(
        code: Code,
        parameters: ProbeParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        array = arrays.output + number * parameters.share
        for place, emit in enumerate(probes):
            with code.if_(parameters.probe.equals(place)):
                emit(code, parameters, array)

    return task


MULTIPLY_ADDS, LOADS, NOTHING = 0, 2, -1  # numbers of probes


@cache
def probe_kernel(target: Target) -> Compiled:
    """Return the function whose tasks are the probes."""
    module = Module("rates", "float32", target)
    in_parallel(module, _emit_task(module))
    return compiled(module, module.name)


def instructions(target: Target, threads: int) -> Instructions:
    """Measure the instructions of one thread while so many run, which may slow each other down."""
    share = ELEMENTS + 32 * target.lanes("float32")
    array = torch.zeros(threads * share, dtype=torch.float32)
    names = [field.name for field in fields(Instructions)]
    parameters = [ProbeParameters(place, STEPS, ELEMENTS, share) for place in range(len(names))]
    _fastest(target, parameters[0], array, threads, threads)  # the processor leaves its slow clock
    nothing = _fastest(target, ProbeParameters(NOTHING, 0, 0, 0), array, threads, threads)
    runs = (_fastest(target, each, array, threads, threads) for each in parameters)
    # To start the threads takes the smaller part of a run, unless other processes delay them.
    beyond = (max(run - nothing, run / 2) for run in runs)
    seconds = dict(zip(names, (each / STEPS for each in beyond), strict=True))
    # The last probe's loops have random lengths. What they take longer is for mispredictions.
    seconds["misprediction"] = max(seconds["misprediction"] - seconds["loop"], 0.0)
    return Instructions(**seconds)


def levels(target: Target, threads: int) -> tuple[tuple[Level, ...], float]:
    """Measure how many bytes a second a thread reads from each level, and all threads from memory.

    A level is read through an array of half its size, and the memory through one twice as large as
    the last cache.
    """
    last = target.l3 or target.l2
    memory = torch.ones(min(2 * last, LARGEST_MEMORY) // 4, dtype=torch.float32)
    found = []
    for name, size in (("L1", target.l1), ("L2", target.l2), ("L3", target.l3)):
        if size:
            found.append(Level(name, size, _read_bandwidth(target, memory[: size // 8], 1)))
    alone, together = (_read_bandwidth(target, memory, each) for each in (1, threads))
    return (*found, Level("memory", float("inf"), alone)), max(alone, together)


def _read_bandwidth(target: Target, array: Tensor, threads: int) -> float:
    vectors = 8 * target.lanes("float32")
    share = array.numel() // threads // vectors * vectors
    steps = max(share, LEAST_READ) // target.lanes("float32")
    parameters = ProbeParameters(LOADS, steps, share, share)
    seconds = _fastest(target, parameters, array, threads, threads)
    passes = -(-steps // (share // target.lanes("float32")))
    return threads * passes * share * 4 / seconds


def region(target: Target, threads: int) -> float:
    """Measure how long it takes to start all threads and to wait for them."""
    parameters, array = ProbeParameters(NOTHING, 0, 0, 0), torch.zeros(1)
    alone, together = (_fastest(target, parameters, array, each, each) for each in (1, threads))
    return max(together - alone, 0.0)


def share_of_cores(target: Target, threads: int) -> float:
    """Measure which share of the time of the cores they may have all threads get, none waiting."""
    kernel = probe_kernel(target)
    parameters = ProbeParameters(MULTIPLY_ADDS, LONG_STEPS, ELEMENTS, ELEMENTS)
    array = torch.zeros((threads + 1) * ELEMENTS, dtype=torch.float32)
    arrays, packed = _at_one_address(array), pack(parameters)
    start, used = perf_counter(), process_time()
    kernel.call(packed, arrays, threads, threads)
    cores = min(threads, _usable_cores())
    return (process_time() - used) / (cores * (perf_counter() - start))


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def call(target: Target) -> float:
    """Measure how long it takes from Python's call of a plan to its first task, and back."""
    problem = ConvProblem(1, 1, 1, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))
    layout = contiguous(problem, NCHW)
    parameters = pack(ProbeParameters(NOTHING, 0, 0, 0))
    plan = Plan(problem, layout, probe_kernel(target), Blocking(), parameters, 1, 64, 1, None)
    one = torch.ones(1, 1, 1, 1, dtype=torch.float32)
    return fastest(lambda: plan(one, one, None), RUNS, calls=8)


def _fastest(
    target: Target, parameters: ProbeParameters[int], array: Tensor, tasks: int, team: int
) -> float:
    """Return the seconds of the fastest run."""
    kernel, packed, arrays = probe_kernel(target), pack(parameters), _at_one_address(array)
    return fastest(lambda: kernel.call(packed, arrays, tasks, team), RUNS)


def _at_one_address(array: Tensor) -> Any:
    """Return arrays of a kernel that are all this one."""
    address = array.data_ptr()
    return pack_arrays(
        input=address, weight=address, bias=address, output=address, workspace=0, residual=address
    )
