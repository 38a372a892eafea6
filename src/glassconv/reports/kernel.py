"""Kernel: what a generated kernel does for one problem, down to its registers."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem import ConvProblem
from glassconv.reports.benchmark import Benched, Roof


@dataclass(frozen=True)
class Factor:
    """One side of a product in a loop: the register that holds it, and how it came there."""

    register: str  # "memory" where the product itself reads it
    kind: str  # "vector" or "broadcast" as it was loaded, "before" the loop, or "other"


@dataclass(frozen=True)
class HotLoop:
    """The hottest block of a kernel's machine code, read back from its assembly.

    cells[row][column] is the running sum to which the product of the two goes, "" where the two are
    not multiplied. All three are empty where the products are no table.
    """

    function: str
    rows: tuple[Factor, ...]
    columns: tuple[Factor, ...]
    cells: tuple[tuple[str, ...], ...]
    totals: tuple[str, ...]  # the registers of running sums
    instructions: int
    products: int  # fused multiply-adds of vectors
    loads: int  # instructions that load a vector or a broadcast and do nothing else
    loaded_bytes: int  # products that read memory included
    registers: int  # of vectors, used

    @property
    def others(self) -> int:
        """Return the instructions that neither multiply nor load: addresses, counters, jumps."""
        return self.instructions - self.products - self.loads


@dataclass(frozen=True)
class Held:
    """An array of a kernel, and the nearest cache that could hold all of it."""

    name: str
    bytes: int
    cache: str  # "L1", "L2", or "" where it is larger


@dataclass(frozen=True)
class Look:
    """What a generated kernel is and does for one problem."""

    problem: ConvProblem
    algorithm: str
    layout: str
    idea: str  # why it can
    loops: tuple[str, ...]  # a line each, indented; none where the kernel does not say
    tasks: int
    threads: int  # that share the tasks
    target: str
    caches: tuple[tuple[str, int], ...]  # of a core, and their bytes
    lanes: int  # elements of a vector
    target_registers: int  # of vectors
    hot: HotLoop
    spills: tuple[tuple[str, int], ...]  # functions that put vectors in memory, and how many
    multiplications: int  # the algorithm's; fewer than the problem's MACs where it spares some
    arrays: tuple[Held, ...]
    predicted: float  # FLOP/s
    roof: Roof
    benched: Benched
