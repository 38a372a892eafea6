"""Whole networks: how long glassconv takes for them, and how long other engines do.

    python -m glassconv.benchmarks.networks --networks resnet50 mobilenet_v2 --threads 1 2

Each engine converts the network, is held to float32, and is verified against the network in
float64; one that is wrong is not timed. Then the engines take turns, each in a process of its own,
one awake at a time. A round of an engine is the median of some calls, and its time the median of
its rounds.

    python -m glassconv.benchmarks.networks --networks resnet50 --threads 1 --profile openvino

prints what an engine says of its own layers instead, which ONNX Runtime, OpenVINO, PyTorch and
glassconv do.

The networks are torchvision's, `unet_256`, or anything else that `glassconv explain` reads, with
random weights, in float32 and with a batch of 1.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console

from glassconv.benchmarks.peers import ENGINES
from glassconv.benchmarks.peers.case import Case, prepare
from glassconv.benchmarks.peers.engine import Engine
from glassconv.benchmarks.peers.process import EngineError, Process
from glassconv.codegen.target import host
from glassconv.reports.network_benchmark import (
    EngineBenchmark,
    NetworkBenchmark,
    NetworkBenchmarks,
    NetworkProfile,
    Times,
)
from glassconv.views.terminal.network_benchmark import benchmarks_to_json

NETWORKS = (
    *("vgg16", "unet_256", "resnet18", "resnet50"),
    *("mobilenet_v2", "efficientnet_b0", "convnext_tiny"),
)
ROUNDS = 20
CPU = Path("/proc/cpuinfo")


def benchmark(case: Case, engines: Sequence[Engine], rounds: int = ROUNDS) -> NetworkBenchmark:
    """Return the times of each engine on a case, with the reason where one has none."""
    with ExitStack() as processes:
        runs = [_Run(engine, case, processes) for engine in engines]
        for _ in range(rounds):
            for run in runs:
                run.round()
    shape = tuple(case.input().shape)
    where = (processor(), case.threads, rounds)
    rows = tuple(run.row() for run in runs)
    return NetworkBenchmark(case.name, shape, *where, case.limit, rows)


def profile(case: Case, engine: Engine) -> NetworkProfile:
    """Return what an engine says of its layers' times; raises `EngineError` where it cannot."""
    if engine.profile is None:
        raise EngineError(f"{engine.name} does not say what its layers take")
    with closing(Process(engine, case)) as process:
        layers = tuple(process.profile())
    return NetworkProfile(case.name, engine.name, processor(), case.threads, layers)


def processor() -> str:
    """Return the processor's name, as Linux and as LLVM call it, and the instruction set."""
    lines = CPU.read_text().splitlines() if CPU.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.machine()
    here = host()
    return name if here is None else f"{name}, {here.cpu}, {here.name}"


class _Run:
    """An engine's rounds on a case, until there is a reason to stop."""

    def __init__(self, engine: Engine, case: Case, processes: ExitStack) -> None:
        self._engine = engine
        self._error: float | None = None
        self._seconds: list[float] = []
        self._reason = "" if engine.version() else "not installed"
        if not self._reason:
            self._process = processes.enter_context(closing(Process(engine, case)))
            self._verify(case.limit)

    def _verify(self, limit: float) -> None:
        try:
            self._error = self._process.prepare()
        except EngineError as error:
            self._reason = str(error)
            return
        if not self._error <= limit:  # NaN, too
            self._reason = f"wrong: its relative error {self._error:.1e} exceeds {limit:.1e}"

    def round(self) -> None:
        """Time some calls, unless there is a reason not to."""
        if self._reason:
            return
        try:
            self._seconds.append(self._process.time())
        except EngineError as error:
            self._reason = str(error)

    def row(self) -> EngineBenchmark:
        """Return what was measured."""
        seconds = self._seconds
        times = None if self._reason else Times(median(seconds), min(seconds), max(seconds))
        engine = self._engine
        return EngineBenchmark(engine.name, engine.version(), self._error, times, self._reason)


def _cases(networks: Sequence[str], threads: Sequence[int]) -> Iterator[Case]:
    """Yield each network with each number of threads; what is converted serves all of these."""
    for name in networks:
        with TemporaryDirectory(prefix="glassconv-") as folder:
            case = prepare(name, Path(folder))
            for number in threads:
                yield replace(case, threads=number)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each network and number of threads, or with --profile the layers."""
    engines = {engine.name: engine for engine in ENGINES}
    parser = argparse.ArgumentParser(
        prog="python -m glassconv.benchmarks.networks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="NAME")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--engines", nargs="+", choices=engines, default=[*engines])
    parser.add_argument("--profile", choices=engines)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    asked = parser.parse_args(arguments)
    console = Console()
    rows = []
    for case in _cases(asked.networks, asked.threads):
        if asked.profile:
            console.print(profile(case, engines[asked.profile]))
        else:
            chosen = [engines[name] for name in asked.engines]
            rows.append(benchmark(case, chosen, asked.rounds))
            console.print(rows[-1])
    results = NetworkBenchmarks(tuple(rows))
    if len(rows) > 1:
        console.print(results)
    if asked.json:
        asked.json.write_text(benchmarks_to_json(results))


if __name__ == "__main__":
    main()
