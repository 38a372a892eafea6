"""Kernel: what a generated kernel does for one problem, down to its registers."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem.problem import Problem
from glassconv.reports.benchmark import LayerBenchmark, Roofline
from glassconv.reports.shown import Shown


@dataclass(frozen=True)
class Factor:
    """A factor of the products in a loop: the register that holds it, and how it was made."""

    register: str  # "memory" where the product itself reads it
    kind: str  # loaded as "vector" or "broadcast"; in the register "before" the loop; or "other"


@dataclass(frozen=True)
class HotLoop:
    """The basic block with most of a kernel's multiply-adds, read back from its assembly.

    cells[row][column] is the accumulator to which the product of the two is added, "" where the two
    are not multiplied. All three are empty where the products do not form a table.
    """

    function: str
    rows: tuple[Factor, ...]
    columns: tuple[Factor, ...]
    cells: tuple[tuple[str, ...], ...]
    totals: tuple[str, ...]  # the registers of accumulators
    instructions: int
    products: int  # fused multiply-adds of vectors
    loads: int  # instructions that only load a vector or broadcast an element
    loaded_bytes: int  # by loads, and by products with an operand in memory
    registers: int  # vector registers that are used

    @property
    def others(self) -> int:
        """Return the instructions that neither multiply nor load: addresses, counters, jumps."""
        return self.instructions - self.products - self.loads


@dataclass(frozen=True)
class CacheFit:
    """An array of a kernel, and the smallest cache that could hold all of it."""

    name: str
    bytes: int
    cache: str  # "L1", "L2", or "" where it is larger


@dataclass(frozen=True, eq=False)
class KernelReport(Shown):
    """What a generated kernel is and does for one problem."""

    problem: Problem
    algorithm: str
    layout: str
    idea: str  # how it computes, from its verdict
    loops: tuple[str, ...]  # a line for each loop, indented
    blocking: tuple[tuple[str, int], ...]  # names and numbers
    tasks: int
    threads: int  # that take the tasks
    target: str
    caches: tuple[tuple[str, int], ...]  # of a core, and their bytes
    lanes: int  # elements of a vector
    target_registers: int  # of vectors
    hot: HotLoop
    spills: tuple[tuple[str, int], ...]  # functions that spill vector registers, and how many
    multiplications: int  # the algorithm's; Winograd's are fewer than the problem's MACs
    arrays: tuple[CacheFit, ...]
    predicted: float  # FLOP/s
    roofline: Roofline
    benchmark: LayerBenchmark
