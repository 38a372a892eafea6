"""glassconv."""

from __future__ import annotations

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.eager import call_of
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.networks.optimize import optimize


def _prepare(case: Case) -> Call:
    return call_of(optimize(case.network(), case.input()), case.input())


ENGINE = Engine("glassconv", "glassconv", _prepare)
