"""glassconv."""

from __future__ import annotations

from torch import Tensor, nn

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.eager import call_of, channels_last
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.benchmarks.peers.module_profile import layer_times
from glassconv.nn.swap import swap
from glassconv.reports.network_benchmark import LayerTime


def _optimized(case: Case) -> tuple[nn.Module, Tensor]:
    network, input = channels_last(case)
    return swap(network, inplace=True).model, input


def _prepare(case: Case) -> Call:
    return call_of(*_optimized(case))


def _profile(case: Case) -> list[LayerTime]:
    return layer_times(*_optimized(case))


ENGINE = Engine("glassconv", "glassconv", _prepare, _profile)
