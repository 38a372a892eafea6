"""PyTorch as it is, in both memory layouts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.benchmarks.peers.module_profile import layer_times
from glassconv.reports.array import Array
from glassconv.reports.network_benchmark import LayerTime


def call_of(network: Callable[[Tensor], Tensor], input: Tensor) -> Call:
    """Return a call of a network, in inference mode."""

    def call() -> Array:
        with torch.inference_mode():
            output: Array = network(input).numpy()
            return output

    return call


def channels_last(case: Case) -> tuple[nn.Module, Tensor]:
    """Return a case's network and input in NHWC."""
    layout = torch.channels_last
    return (
        case.network().to(memory_format=layout),  # type: ignore[call-overload]
        case.input().contiguous(memory_format=layout),
    )


def _prepare_nchw(case: Case) -> Call:
    return call_of(case.network(), case.input())


def _prepare_nhwc(case: Case) -> Call:
    return call_of(*channels_last(case))


def _profile_nchw(case: Case) -> list[LayerTime]:
    return layer_times(case.network(), case.input())


def _profile_nhwc(case: Case) -> list[LayerTime]:
    return layer_times(*channels_last(case))


NCHW = Engine("eager", "torch", _prepare_nchw, _profile_nchw)
NHWC = Engine("eager_nhwc", "torch", _prepare_nhwc, _profile_nhwc)
