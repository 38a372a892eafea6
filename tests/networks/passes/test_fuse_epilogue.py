"""Residuals and activations become a part of the sums before them, where a kernel takes both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from support.optimized import Calls, after_passes, check, functions

X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))


def convolution() -> nn.Conv2d:
    return nn.Conv2d(4, 4, 3, padding=1)


def fused(function: Callable[..., object], count: int, *inputs: Tensor) -> list[tuple[str, ...]]:
    """Compare a network of convolutions, and return what each operation has after the pass."""
    model = Calls(function, *(convolution() for _ in range(count)))
    check(model, *inputs or (X,))
    network = after_passes(model, *inputs or (X,))["fuse_epilogue"]
    found = []
    for each in network.operations:
        residual = ("residual",) if each.arguments.get("residual") else ()
        activation = (each.arguments["activation"],) if each.arguments.get("activation") else ()
        found.append((each.function, *residual, *activation))
    return found


@pytest.mark.parametrize("name", ["relu", "relu6", "hardswish", "sigmoid", "silu", "gelu"])
def test_activations(name: str) -> None:
    function = getattr(nn.functional, name, torch.sigmoid)
    assert fused(lambda a, x: function(a(x)), 1) == [("conv2d", name)]


def test_an_activation_after_a_residual() -> None:
    assert fused(lambda a, x: torch.relu(a(x) + x), 1) == [("conv2d", "residual", "relu")]
    assert fused(lambda a, x: torch.relu(x + a(x)), 1) == [("conv2d", "residual", "relu")]


def test_a_residual_after_an_activation_stays() -> None:
    assert fused(lambda a, x: torch.relu(a(x)) + x, 1) == [("conv2d", "relu"), ("add",)]


def test_two_activations() -> None:
    assert fused(lambda a, x: a(x).relu().relu(), 1) == [("conv2d", "relu"), ("relu",)]


def test_the_later_of_two_convolutions_takes_the_residual() -> None:
    expected = [("conv2d",), ("conv2d", "residual", "relu")]
    assert fused(lambda a, b, x: torch.relu(a(x) + b(x)), 2) == expected
    assert fused(lambda a, b, x: torch.relu(b(x) + a(x)), 2) == expected


def test_two_residuals() -> None:
    expected = [("conv2d", "residual"), ("add",)]
    assert fused(lambda a, x: a(x) + x + x * 1, 1)[-2:] != expected[:1]
    assert fused(lambda a, x: a(x) + x + x, 1) == expected


def test_a_sum_with_itself_stays() -> None:
    def doubled(a: nn.Module, x: Tensor) -> Tensor:
        y: Tensor = a(x)
        return y + y

    assert fused(doubled, 1) == [("conv2d",), ("add",)]


def test_what_something_else_reads_stays() -> None:
    def read(a: nn.Module, x: Tensor) -> Tensor:
        y: Tensor = a(x)
        return torch.relu(y) * y

    def returned(a: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        y: Tensor = a(x)
        return y, torch.relu(y)

    assert fused(read, 1) == [("conv2d",), ("relu",), ("mul",)]
    assert fused(returned, 1) == [("conv2d",), ("relu",)]


def test_a_residual_that_is_broadcast_or_scaled_stays() -> None:
    assert fused(lambda a, x: a(x) + x[:, :1], 1)[-1] == ("add",)
    assert fused(lambda a, x: torch.add(a(x), x, alpha=2), 1) == [("conv2d",), ("add",)]
    assert fused(lambda a, x: a(x) + 1, 1) == [("conv2d",), ("add",)]


def test_a_residual_that_depends_on_the_convolution() -> None:
    def after(a: nn.Module, x: Tensor) -> Tensor:
        y: Tensor = a(x)
        return y + y.mean((2, 3), keepdim=True).expand_as(y)

    assert fused(after, 1)[0] == ("conv2d",)

    def between(a: nn.Module, b: nn.Module, x: Tensor) -> Tensor:
        y: Tensor = a(x)
        return y + torch.tanh(b(x))

    assert fused(between, 2) == [("conv2d",), ("tanh",), ("conv2d", "residual")]


def test_linear_layers() -> None:
    model = Calls(lambda a, x: torch.relu(a(x) + x), nn.Linear(4, 4))
    x = torch.randn(3, 5, 4)
    check(model, x)
    assert functions(after_passes(model, x)["fuse_epilogue"]) == ["linear"]


def test_what_no_kernel_computes_is_not_fused() -> None:
    def by_input(x: Tensor, weight: Tensor) -> Tensor:
        return torch.relu(torch.conv2d(x, weight) + 1)

    model = Calls(lambda x, weight: torch.relu(torch.conv2d(x, weight)))
    assert functions(after_passes(model, X, torch.rand(4, 4, 3, 3))["fuse_epilogue"]) == [
        "conv2d",
        "relu",
    ]
    check(model, X, torch.rand(4, 4, 3, 3))
    check(Calls(by_input), X, torch.rand(4, 4, 3, 3))
    volume = nn.Sequential(nn.Conv3d(4, 4, 3), nn.ReLU())
    check(volume, torch.randn(1, 4, 5, 5, 5))
    half = nn.Sequential(convolution(), nn.ReLU()).bfloat16()
    check(half, X.bfloat16())
    assert functions(after_passes(half, X.bfloat16())["fuse_epilogue"]) == ["conv2d", "relu"]
