"""Each operation of a graph gets a time, if the model calls the same when it is timed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.capture import capture
from glassconv.networks.timing import seconds_of_operations


def test_each_operation_has_a_time() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    x = torch.rand(1, 3, 8, 8)
    graph = capture(model, x)
    seconds = seconds_of_operations(model, x, graph)
    assert list(seconds) == [each.name for each in graph.operations]
    assert all(each > 0 for each in seconds.values())


def test_a_model_that_calls_something_else_is_refused() -> None:
    class Growing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(1 + int(x.sum() > 0)):
                x = self.conv(x)
            return x

    graph = capture(Growing(), torch.zeros(1, 1, 4))
    with pytest.raises(NetworkError, match="depends on numbers"):
        seconds_of_operations(Growing(), torch.ones(1, 1, 4), graph)
