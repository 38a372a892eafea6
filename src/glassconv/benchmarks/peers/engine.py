"""An engine: what runs a network, as a value that every process can import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from glassconv.benchmarks.peers.case import Case
from glassconv.reports.array import Array
from glassconv.reports.network_benchmark import LayerTime

Call = Callable[[], Array]


@dataclass(frozen=True)
class Engine:
    """How an engine is made ready for a case, and how it times its own layers.

    Its functions are called in a process of its own, and may raise any error, which is reported.
    """

    name: str
    package: str  # that must be installed
    prepare: Callable[[Case], Call]  # converts, compiles; the call reads the case's input
    profile: Callable[[Case], list[LayerTime]] | None = None  # each layer's mean over calls

    def version(self) -> str | None:
        """Return the installed version of its package, None if there is none."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None
