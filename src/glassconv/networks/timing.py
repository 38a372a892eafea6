"""The time of each operation in a network, measured as the network runs by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.graph import Graph
from glassconv.networks.operation_mode import OperationMode
from glassconv.networks.tensors import tensors_in
from glassconv.nn.shared_copy import shared_copy

RUNS = 5  # of which the median counts, after one that warms up


def seconds_of_operations(model: nn.Module, input: Tensor, graph: Graph) -> Mapping[str, float]:
    """Return the seconds of each operation of a graph, by name, in the model that it was made of.

    Raises `NetworkError` where the model calls other operations than the graph has.
    """
    copy = shared_copy(model).eval()
    names = [each.name for each in graph.operations if each.function != "overwrite"]
    runs = []
    with torch.inference_mode():
        for _ in range(1 + RUNS):
            with _Timer() as timer:
                copy(input)
            if len(timer.seconds) != len(names):
                cause = (
                    f"it called {len(timer.seconds)} operations when timed and {len(names)} when "
                    "explained: what it calls depends on numbers"
                )
                raise NetworkError(cause, request=type(model).__name__)
            runs.append(timer.seconds)
    return dict(zip(names, map(median, zip(*runs[1:], strict=True)), strict=True))


class _Timer(OperationMode):
    """Times each operation that returns tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        started = perf_counter()
        output = function(*args, **kwargs)
        if any(True for _ in tensors_in(output)):
            self.seconds.append(perf_counter() - started)
        return output
