"""The roofline: how fast this machine multiplies and adds, and how fast it moves bytes, measured.

No program does more arithmetic in a second than chains of multiply-adds that never leave registers,
nor moves more bytes than a copy of arrays that no cache holds. So no kernel is faster than

    attainable(flops, bytes) = min(peak, flops / bytes · bandwidth)

Both limits are the best of some runs, because other processes only make runs slower.

Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", 2009.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from time import perf_counter

import torch
from torch import Tensor

from glassconv.codegen.ir import Code, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, words_of
from glassconv.codegen.target import ELEMENT_BYTES, Target, host
from glassconv.errors import UnsupportedError
from glassconv.reports.benchmark import Roofline

CHAINS = 12  # a multiply-add takes four or five clocks, and two start in each
TASKS = 4  # for each thread: a core that another process takes leaves its share to the others
STEPS = 40_000  # of the chains, for each thread in a run: a tenth of a millisecond
ARITHMETIC_RUNS = 200  # so short that some are not disturbed
COPIED = 64 * 2**20  # bytes read, and as many written: more than caches hold
PARTS = 4  # copied in turn, so that a part has left the caches when it is copied again
PIECE = 256 * 2**10  # bytes in a task
MEMORY_RUNS = 24
PATIENCE = 0.4  # seconds of runs at most, where other processes make each of them slow


def measure(dtype: str = "float32") -> Roofline:
    """Return the machine's limits in elements of a type, with as many threads as PyTorch uses.

    Raises `UnsupportedError` where no code can be generated for this processor.
    """
    target = host()
    if target is None:
        raise UnsupportedError(
            "no roofline is measured on a processor without AVX2, AVX-512 or NEON"
        )
    flops, team = _arithmetic(dtype, target)
    return Roofline(flops, _bandwidth(dtype, target), team, dtype)


@dataclass(frozen=True)
class ChainParameters(Struct[N]):
    """How long the chains are."""

    steps: N


@dataclass(frozen=True)
class CopyParameters(Struct[N]):
    """How much a task copies."""

    length: N  # elements


@dataclass(frozen=True)
class Arrays(Struct[N]):
    """What is read and written: the chains read and write the first."""

    source: N
    result: N


def chains(dtype: str, target: Target) -> Module:
    """Write the function that multiplies and adds in registers and does nothing else."""
    module = Module("chains", dtype, target)

    @function(module)
    def task(
        code: Code,
        parameters: ChainParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        space = arrays.source + thread * (CHAINS * code.lanes)
        left, right = (space.vector(place * code.lanes) for place in (0, 1))
        sums = [code.variable(space.vector(place * code.lanes)) for place in range(CHAINS)]
        with code.loop(0, parameters.steps):
            for total in sums:
                total.set(code.fma(left, right, total.get()))
        for place, total in enumerate(sums):  # LLVM removes what nothing reads
            space[place * code.lanes] = total.get()

    in_parallel(module, task)
    return module


def copies(dtype: str, target: Target) -> Module:
    """Write the function that copies one piece of an array to another."""
    module = Module("copies", dtype, target)

    @function(module)
    def task(
        code: Code,
        parameters: CopyParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        length = parameters.length
        source, result = (start + number * length for start in (arrays.source, arrays.result))
        with code.loop(0, length, 4 * code.lanes) as start:
            for place in range(4):
                result[start + place * code.lanes] = source.vector(start + place * code.lanes)

    in_parallel(module, task)
    return module


@cache
def _compiled(write: Callable[[str, Target], Module], dtype: str, target: Target) -> Compiled:
    module = write(dtype, target)
    return compiled(module, module.name)


def _arithmetic(dtype: str, target: Target) -> tuple[float, int]:
    """Return FLOP/s, two for each multiply-add, and how many threads reached them."""
    lanes, team = target.lanes(dtype), threads()
    kernel = _compiled(chains, dtype, target)
    space = torch.zeros(team * CHAINS * lanes, dtype=getattr(torch, dtype))
    steps, tasks = STEPS // TASKS, TASKS * team
    seconds, team = _best(kernel, steps, [[space]] * ARITHMETIC_RUNS, tasks)
    return 2 * lanes * CHAINS * steps * tasks / seconds, team


def _bandwidth(dtype: str, target: Target) -> float:
    """Return bytes read and written a second."""
    elements = COPIED // ELEMENT_BYTES[dtype]
    source, result = (torch.ones(elements, dtype=getattr(torch, dtype)) for _ in range(2))
    parts = list(zip(source.chunk(PARTS), result.chunk(PARTS), strict=True))
    length, part = PIECE // ELEMENT_BYTES[dtype], elements // PARTS
    runs = [parts[run % PARTS] for run in range(MEMORY_RUNS)]
    seconds, _ = _best(_compiled(copies, dtype, target), length, runs, part // length)
    return 2 * COPIED / PARTS / seconds


def _best(
    kernel: Compiled, number: int, runs: Iterable[Sequence[Tensor]], tasks: int
) -> tuple[float, int]:
    """Return the seconds of the fastest run, and its number of threads."""
    parameters = words_of(number)
    seconds = []
    for team in dict.fromkeys((threads(), 1)):  # one, where other processes keep the other cores
        deadline = perf_counter() + PATIENCE
        for arrays in runs:
            addresses = words_of(*(array.data_ptr() for array in arrays))
            start = perf_counter()
            kernel.call(parameters, addresses, tasks, team)
            seconds.append((perf_counter() - start, team))
            if perf_counter() > deadline:
                break
    return min(seconds)
