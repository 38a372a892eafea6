"""A 1 × 1 convolution is computed by rows where a depthwise convolution alone reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from glassconv.networks.passes import fuse_depthwise
from glassconv.networks.passes.sums import BY_ROWS
from support.optimized import Calls, after_passes, check

X = torch.rand(1, 9, 20, 20)


@pytest.fixture(autouse=True)
def it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predict that it takes less time, on any processor."""
    monkeypatch.setattr(fuse_depthwise, "pays", lambda *_: True)


def wide(channels: int = 64, **options: Any) -> nn.Conv2d:
    """Return the convolution that widens the channels."""
    return nn.Conv2d(9, channels, options.pop("kernel_size", 1), **options)


def deep(channels: int = 64, **options: Any) -> nn.Conv2d:
    """Return the depthwise convolution."""
    given = {"kernel_size": 3, "padding": 1, "groups": channels, **options}
    return nn.Conv2d(channels, channels, **given)


def is_marked(network: nn.Module, x: Tensor = X) -> bool:
    """Compare a network, and return whether a convolution is marked."""
    check(network, x)
    operations = after_passes(network.eval(), x)["fuse_depthwise"].operations
    return any(BY_ROWS in each.arguments for each in operations)


@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(wide(), deep()),
        nn.Sequential(wide(bias=False), nn.BatchNorm2d(64), nn.ReLU6(), deep(stride=2), nn.SiLU()),
        nn.Sequential(wide(), nn.Hardswish(), deep(kernel_size=5, padding=2), nn.Conv2d(64, 9, 1)),
        nn.Sequential(wide(), nn.ZeroPad2d((0, 1, 0, 1)), deep(stride=2, padding=0)),
    ],
    ids=["plain", "activations", "5 × 5", "uneven padding"],
)
def test_it_is_marked(network: nn.Module, format: torch.memory_format) -> None:
    assert is_marked(network, X.repeat(3, 1, 1, 1).contiguous(memory_format=format))


def read_twice(first: nn.Module, second: nn.Module, x: Tensor) -> Tensor:
    between = first(x)
    output: Tensor = second(between) + between
    return output


def returned(first: nn.Module, second: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    between = first(x)
    return between, second(between)


def with_residual(first: nn.Module, second: nn.Module, x: Tensor) -> Tensor:
    output: Tensor = second(first(x) + x.mean(1, keepdim=True).expand(-1, 64, -1, -1).contiguous())
    return output


@pytest.mark.parametrize("function", [read_twice, returned, with_residual])
def test_what_others_need_or_change_stays(function: Callable[..., Any]) -> None:
    assert not is_marked(Calls(function, wide(), deep()))


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(wide(kernel_size=3, padding=1), deep()),
        nn.Sequential(wide(stride=2), deep()),
        nn.Sequential(wide(), nn.Tanh(), deep()),
        nn.Sequential(wide(), deep(groups=32)),
        nn.Sequential(wide(), deep(padding_mode="circular")),
        nn.Sequential(wide(10), deep(10)),
    ],
    ids=["3 × 3", "stride", "tanh", "groups", "circular", "channels"],
)
def test_others_are_not_marked(network: nn.Module) -> None:
    assert not is_marked(network)


def test_it_is_used_only_where_it_is_predicted_to_take_less_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fuse_depthwise, "pays", lambda *_: False)
    assert not is_marked(nn.Sequential(wide(), deep()))
