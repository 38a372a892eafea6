"""What no output depends on is removed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from support.optimized import Calls, after_passes, check, functions


def test_results_that_nothing_reads() -> None:
    def with_unused(used: nn.Module, unused: nn.Module, x: Tensor) -> Tensor:
        torch.relu(unused(x))
        return used(x)  # type: ignore[no-any-return]

    model = Calls(with_unused, nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3))
    x = torch.randn(1, 2, 5, 5)
    passes = after_passes(model, x)
    assert functions(passes["captured"]) == ["conv2d", "relu", "conv2d"]
    assert functions(passes["unused"]) == ["conv2d"]
    assert len(passes["unused"].tensors) == 2
    check(model, x)


def test_what_a_read_result_depends_on_stays() -> None:
    def read_in_part(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        first, _ = layer(x).chunk(2, 1)
        return first, x

    model = Calls(read_in_part, nn.Conv2d(2, 4, 3))
    x = torch.randn(1, 2, 5, 5)
    assert functions(after_passes(model, x)["unused"]) == ["conv2d", "chunk"]
    check(model, x)


def test_a_network_that_computes_nothing() -> None:
    assert functions(after_passes(nn.Identity(), torch.rand(3))["unused"]) == []
