"""Benchmark: layers timed against PyTorch, and the roofline of the machine that ran them."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.problem.problem import Problem
from glassconv.reports.shown import Shown
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True, eq=False)
class LayerBenchmark(Shown):
    """One layer timed against PyTorch; without times where it was not run, or was wrong."""

    problem: Problem
    count: int  # how often the network has the layer
    algorithm: str
    verdict: Verdict  # of the definition, or why the algorithm cannot
    seconds: float | None  # the median
    pytorch_seconds: float | None
    attainable: float | None = None  # FLOP/s that the roofline allows, None if it was not measured
    compile_seconds: float = 0.0  # 0 from the disk cache, or as an earlier layer's
    packing_seconds: float = 0.0  # of the weight, once

    @property
    def ratio(self) -> float | None:
        """Return how many times as fast as PyTorch it is."""
        if self.seconds is None or self.pytorch_seconds is None:
            return None
        return self.pytorch_seconds / self.seconds

    @property
    def flops_per_second(self) -> float | None:
        """Return the problem's own FLOPs, not the algorithm's, a second."""
        return None if self.seconds is None else self.problem.flops / self.seconds

    @property
    def roofline_share(self) -> float | None:
        """Return which share of the attainable speed that is."""
        if self.flops_per_second is None or not self.attainable:
            return None
        return self.flops_per_second / self.attainable


@dataclass(frozen=True)
class Roofline:
    """What a machine can do at most, measured: no kernel is faster than both limits allow."""

    flops_per_second: float  # multiply-adds that never leave registers, two FLOPs each
    bytes_per_second: float  # read and written in arrays that no cache holds
    threads: int  # that reached it: one, where another process kept the other cores
    dtype: str

    def attainable(self, flops: float, bytes: float) -> float:
        """Return the most FLOP/s for so many FLOPs on so many bytes.

        >>> Roofline(100e9, 20e9, 1, "float32").attainable(flops=6e6, bytes=2e6)
        60000000000.0
        """
        return min(self.flops_per_second, self.bytes_per_second * flops / max(bytes, 1))

    def over(self, problem: Problem) -> float:
        """Return the most FLOP/s for a convolution that reads and writes each number once."""
        moved = problem.input_bytes + problem.weight_bytes + problem.output_bytes
        return self.attainable(problem.flops, moved)


@dataclass(frozen=True, eq=False)
class Benchmark(Shown):
    """The layers of a suite timed in one run, against the roofline that the run measured."""

    suite: str  # the name of what was measured
    how: str  # batch, threads, memory layout and element type
    rows: tuple[LayerBenchmark, ...]
    roofline: Roofline | None = None
