"""What a kernel costs: what is counted from its blocking, times the rates of this machine.

A kernel's `work` counts what it does for one problem: instructions of its innermost loops, and
bytes by the memory that they are in. Nothing there depends on a machine but its vectors and caches,
by which the blocking was chosen. `seconds` multiplies the counts by the machine's rates:

    loop    iterations · the slowest of: multiply-adds, their latency, loads and stores
            + entries · the time to enter and leave a loop; the end of a long one is mispredicted
    phase   the slower of: its loops, or its bytes from the memory that they are in
    work    slowdown · Σ phases / threads, by the thread with the most tasks,
            + call + starting the threads

The slowdown is what a kernel takes longer than counted, measured on a layer beside PyTorch
(`dispatch/slowdown.py`).

Instructions of one loop overlap, and so do bytes that are fetched ahead; phases do not. Weights are
assumed to be in memory, as in a network; inputs and outputs in the smallest memory that holds both.

Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", 2009; the
limits of an innermost loop are those of Intel's and AMD's manuals: ports, and latency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf

from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.microkernel.register_tile import tall_tiles, tile_heights
from glassconv.problem.problem import Problem
from glassconv.reports.machine import Machine

# Branch predictors tell the end of a loop from its last iterations, a few bits for each branch.
LONGEST_PREDICTED = 16


@dataclass(frozen=True)
class Loop:
    """An innermost loop: how often it runs, and the vector instructions of one iteration."""

    iterations: float
    multiply_adds: float = 0  # and additions, which take as long
    chain: float = 0  # those of them that wait for the one before
    loads: float = 0
    unaligned_loads: float = 0  # of vectors that may begin anywhere in a cache line
    stores: float = 0
    masked_loads: float = 0
    masked_stores: float = 0
    gathers: float = 0
    entries: float = 0  # how often the loop is entered from outside


@dataclass(frozen=True)
class Stream:
    """Bytes that are read or written, and the size of the array that they are a part of.

    An array that is read for the first time may not be in the caches: its footprint is infinite.
    """

    bytes: float
    footprint: float = inf


@dataclass(frozen=True)
class Phase:
    """Loops whose instructions run while bytes are fetched for them."""

    loops: tuple[Loop, ...]
    streams: tuple[Stream, ...] = ()


@dataclass(frozen=True)
class Work:
    """What a kernel does in one call."""

    phases: tuple[Phase, ...]
    tasks: int
    threads: int  # that take the tasks
    launches: int = 1  # compiled functions that are called, each of which starts its threads
    checked_bytes: int = 0  # of a weight whose checksum finds its packed copy
    packing: tuple[Phase, ...] = ()  # what makes that copy, where the weight has changed
    packing_calls: int = 0  # of NumPy and PyTorch beside it, each as long as a dispatch


def seconds(work: Work, machine: Machine, layout: str) -> float:
    """Return how long a kernel takes on a machine, in the memory layout of this name."""
    busy = sum(phase_seconds(phase, machine, work.threads) for phase in work.phases)
    share = ceil(work.tasks / work.threads) / max(work.tasks, 1)
    region = machine.region if work.threads > 1 else 0.0
    checked = work.checked_bytes / machine.bandwidth(inf, 1)
    started = machine.dispatch + machine.call + work.launches * region
    return started + checked + machine.slowdown(layout) * busy * share


def packing_seconds(work: Work, machine: Machine, layout: str) -> float:
    """Return how long it takes to pack a weight that has changed."""
    threads = machine.threads
    busy = sum(phase_seconds(phase, machine, threads) for phase in work.packing)
    return work.packing_calls * machine.dispatch + machine.slowdown(layout) * busy / threads


def phase_seconds(phase: Phase, machine: Machine, threads: int) -> float:
    """Return how long one thread would take for a phase of all tasks."""
    instructions = sum(loop_seconds(loop, machine) for loop in phase.loops)
    moved = sum(
        stream.bytes / machine.bandwidth(stream.footprint, threads) for stream in phase.streams
    )
    return max(instructions, moved)


def loop_seconds(loop: Loop, machine: Machine) -> float:
    """Return how long one thread takes for a loop whose data is in L1."""
    each = machine.instructions
    # A vector that reaches into a second line is loaded twice.
    lines = 1 + machine.vector_bytes / CACHE_LINE
    loads = (loop.loads + loop.unaligned_loads * lines) * each.load
    loads += loop.masked_loads * each.masked_load
    # Loads and stores take turns: a processor may have fewer units for addresses than for both.
    stores = loop.stores * each.store + loop.masked_stores * each.masked_store
    iteration = max(
        loop.multiply_adds * each.multiply_add,
        loop.chain * each.latency,
        loads + loop.gathers * each.gather + stores,
    )
    ends = each.loop
    if loop.iterations > LONGEST_PREDICTED * loop.entries:
        ends += each.misprediction
    return loop.iterations * iteration + loop.entries * ends


# -- parts of kernels -------------------------------------------------------------------------


def blocks_of(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the sizes of blocks that cover a number, and how many there are of each size.

    >>> list(blocks_of(10, 4)), list(blocks_of(3, 4))
    ([(4, 2), (2, 1)], [(3, 1)])
    """
    whole, rest = divmod(total, size)
    if whole:
        yield size, whole
    if rest:
        yield rest, 1


def tiles_of(total: int, most: int, *, tall: bool = False) -> Iterator[tuple[int, int]]:
    """Yield the heights of register tiles that cover some rows, and how many there are of each.

    tall: whether some tiles have a row more.

    >>> list(tiles_of(17, 6)), list(tiles_of(49, 12, tall=True))
    ([(6, 2), (4, 1), (1, 1)], [(13, 1), (12, 3)])
    """
    for height in tile_heights(most, tall=tall):
        count = total // height if height <= most else tall_tiles(total, height)
        total -= count * height
        if count:
            yield height, count


def product_loops(
    m: int,
    n: int,
    k: int,
    times: float,
    tile: tuple[int, int],
    lanes: int,
    segments: int = 1,
    *,
    tall: bool = False,
    has_wide: bool = False,
) -> Iterator[Loop]:
    """Yield the loops of `times` register-tiled products of [m, k] and [k, n].

    segments: of k, each of which is a loop of its own. tall: whether some tiles have a row more.
    has_wide: whether a partial vector and the whole ones before it make a tile of full width.

    A step of a tile loads a row of vectors and broadcasts an element for each row. At its end, each
    vector of C is loaded, added to and stored.
    """
    tallest, widest = tile
    panels, rest = divmod(n, widest * lanes)
    partial = rest % lanes > 0
    edges: tuple[tuple[int, int, bool], ...] = ((1, rest // lanes, False), (1, int(partial), True))
    if has_wide and partial and rest > (widest - 1) * lanes:
        edges = ((widest, 1, True),)
    for rows, count in tiles_of(m, tallest, tall=tall):
        for vectors, panels_of_width, masked in ((widest, panels, False), *edges):
            if not panels_of_width:
                continue
            tiles = times * count * panels_of_width
            area = rows * vectors
            yield Loop(tiles * k, multiply_adds=area, chain=1, loads=rows + vectors, entries=tiles)
            yield Loop(
                tiles,
                multiply_adds=area,
                loads=area - rows * masked,
                masked_loads=rows * masked,
                stores=area - rows * masked,
                masked_stores=rows * masked,
                entries=0 if panels_of_width > 1 else tiles,
            )


def row_copies(length: int, times: float, step: int, lanes: int) -> Iterator[Loop]:
    """Yield the loops that copy every `step`th element of a row `times` times, between padding.

    The first and the last vector may reach into the padding, so they are loaded with a mask.
    """
    vectors = ceil(length / lanes)
    masked = min(vectors, 2)
    if step > 2:
        yield Loop(times * vectors, gathers=1, stores=1, entries=times)
        return
    yield Loop(times * (vectors - masked), multiply_adds=step - 1, loads=step, stores=1)
    yield Loop(times * masked, masked_loads=step, stores=1, entries=times)


def copy_loops(length: int, times: float, lanes: int) -> Iterator[Loop]:
    """Yield the loops that copy a number of elements `times` times: vectors, then a partial one."""
    vectors, rest = divmod(length, lanes)
    yield Loop(times * vectors, loads=1, stores=1, entries=times)
    if rest:
        yield Loop(times, masked_loads=1, stores=1)


def copy_of(size: int) -> Phase:
    """Return the copy of so many bytes to other places, whose lines are read before they change."""
    return Phase((), (Stream(3 * size, 2 * size),))


def activation_bytes(problem: Problem) -> float:
    """Return the size of input and output, of which the smallest memory that holds them counts."""
    return problem.input_bytes + problem.output_bytes
