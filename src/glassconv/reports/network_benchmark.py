"""Network benchmark: whole networks timed by several engines, and the layers of one of them."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.reports.shown import Shown

OURS = "glassconv"


@dataclass(frozen=True)
class Times:
    """A call's seconds: the median over rounds of each round's median, and the extreme rounds."""

    median: float
    smallest: float
    largest: float


@dataclass(frozen=True)
class EngineBenchmark:
    """An engine on a network; without times where it is missing, fails or is wrong."""

    engine: str
    version: str | None  # of its package, None where it is not installed
    error: float | None  # the largest, relative to the largest output
    times: Times | None
    reason: str = ""  # why there are no times


@dataclass(frozen=True, eq=False)
class NetworkBenchmark(Shown):
    """A network timed by every engine with so many threads."""

    network: str
    input_shape: tuple[int, ...]
    processor: str
    threads: int
    rounds: int
    limit: float  # of the relative error: an engine with more is not timed
    engines: tuple[EngineBenchmark, ...]

    @property
    def ours(self) -> EngineBenchmark | None:
        """Return glassconv's row, if it has times."""
        return next((each for each in self._timed() if each.engine == OURS), None)

    @property
    def best_peer(self) -> EngineBenchmark | None:
        """Return the fastest of the other engines."""
        peers = [each for each in self._timed() if each.engine != OURS]
        return min(peers, key=_median, default=None)

    @property
    def ratio(self) -> float | None:
        """Return how many times as fast as the best peer glassconv is."""
        if self.ours is None or self.best_peer is None:
            return None
        return _median(self.best_peer) / _median(self.ours)

    def _timed(self) -> list[EngineBenchmark]:
        return [each for each in self.engines if each.times is not None]


@dataclass(frozen=True, eq=False)
class NetworkBenchmarks(Shown):
    """Several networks and numbers of threads, timed in one run."""

    rows: tuple[NetworkBenchmark, ...]


@dataclass(frozen=True)
class LayerTime:
    """What an engine says of a layer's time."""

    name: str
    kind: str
    implementation: str  # the kernel, where the engine names it
    output_shape: tuple[int, ...]
    seconds: float  # the mean of several calls


@dataclass(frozen=True, eq=False)
class NetworkProfile(Shown):
    """The layers of a network as an engine times them itself, in the order of execution."""

    network: str
    engine: str
    processor: str
    threads: int
    layers: tuple[LayerTime, ...]


def _median(row: EngineBenchmark) -> float:
    return row.times.median if row.times else float("inf")
