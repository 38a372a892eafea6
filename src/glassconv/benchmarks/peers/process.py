"""The process of an engine: it waits on a pipe until it is asked to prepare, to time or to profile.

Engines in one process slow each other, because the idle threads of one spin on the cores of the
next. So each has a process of its own, which answers only when its threads have gone to sleep.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.codegen.idle_threads import wait_for_threads
from glassconv.codegen.pages import keep_memory
from glassconv.reports.network_benchmark import LayerTime

PATIENCE = 900.0  # seconds that an answer may take: Inductor compiles for minutes
END = 5.0  # seconds to end by itself
ROUND = 0.15  # seconds of a round, about
LEAST_CALLS, WARM_UP = 3, 2  # of a round; the caches are another engine's at first


class EngineError(Exception):
    """An engine cannot run a network; the message has the reason."""


class Process:
    """An engine in a process of its own, asleep but while it is asked something."""

    def __init__(self, engine: Engine, case: Case) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would lack this process's threads
        self._log = case.folder / f"{engine.name}.log"
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(engine, case, theirs, self._log))
        self._process.start()
        theirs.close()

    def prepare(self) -> float:
        """Let the engine convert and compile the network; return the relative error of a call."""
        error: float = self._ask("prepare")
        return error

    def time(self) -> float:
        """Return the median seconds of the calls of a round."""
        seconds: float = self._ask("time")
        return seconds

    def profile(self) -> list[LayerTime]:
        """Return the times of the engine's layers; it need not be prepared."""
        layers: list[LayerTime] = self._ask("profile")
        return layers

    def close(self) -> None:
        """End the process: it ends by itself when its pipe is closed, or is killed."""
        self._pipe.close()
        self._process.join(END)
        self._process.kill()
        self._process.join()
        self._process.close()

    def _ask(self, request: str) -> Any:
        """Return the answer to a request, or raise `EngineError` with the reason."""
        try:
            self._pipe.send(request)
            if not self._pipe.poll(PATIENCE):
                raise EngineError(f"it did not answer in {PATIENCE:.0f} s")
            answer = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            cause = f"its process ended, code {self._process.exitcode}{self._said()}"
            raise EngineError(cause) from None
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def _said(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        said = [line for line in lines if line.strip()]
        return f": {said[-1]}" if said else ""


class _Served:
    """What the process of an engine does; each method is a request."""

    def __init__(self, engine: Engine, case: Case) -> None:
        self._engine, self._case = engine, case
        self._call: Call | None = None
        self._calls = LEAST_CALLS

    def prepare(self) -> float:
        call = self._engine.prepare(self._case)
        error = self._case.error(call())
        start = perf_counter()
        call()
        self._calls = max(LEAST_CALLS, round(ROUND / (perf_counter() - start)))
        self._call = call
        return error

    def time(self) -> float:
        if self._call is None:
            raise EngineError("it is not prepared")
        for _ in range(WARM_UP):
            self._call()
        seconds = []
        for _ in range(self._calls):
            start = perf_counter()
            self._call()
            seconds.append(perf_counter() - start)
        return median(seconds)

    def profile(self) -> list[LayerTime]:
        assert self._engine.profile is not None  # others are not asked
        return self._engine.profile(self._case)


def _serve(engine: Engine, case: Case, pipe: Connection, log: Path) -> None:
    """Answer requests until the pipe is closed; what libraries print goes to a file."""
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(case.threads)
    keep_memory()  # no engine is timed on fresh pages
    served = _Served(engine, case)
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        try:
            answer: object = getattr(served, request)()
        except Exception as error:  # of any library: the reason is reported, and nothing is timed
            answer = EngineError(_reason(error))
        wait_for_threads()
        pipe.send(answer)


def _reason(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    return first if isinstance(error, EngineError) else f"{type(error).__name__}: {first}"
