"""A fixed factor for each channel becomes a part of the sums before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from support.optimized import Calls, after_passes, check, functions

X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
FACTORS = nn.Embedding(1, 4)  # whose weight is fixed


def left(function: Callable[..., object], layer: nn.Module, *inputs: Tensor) -> list[str]:
    """Compare a network of a layer and factors, and return what is left after the pass."""
    model = Calls(function, layer, FACTORS)
    check(model, *inputs or (X,))
    return functions(after_passes(model, *inputs or (X,))["fold_scale"])


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, groups=2, bias=False),
        nn.ConvTranspose2d(4, 4, 3, 2),
        nn.ConvTranspose2d(4, 4, 3, groups=2, bias=False),
    ],
)
def test_behind_convolutions(layer: nn.Module) -> None:
    def scaled(layer: nn.Module, factors: nn.Embedding, x: Tensor) -> Tensor:
        y: Tensor = layer(x)
        return factors.weight.view(4, 1, 1) * y

    assert "mul" not in left(scaled, layer)


def test_behind_a_linear_layer_and_permutations() -> None:
    def scaled(layer: nn.Module, factors: nn.Embedding, x: Tensor) -> Tensor:
        y: Tensor = layer(x.permute(0, 2, 3, 1)) * factors.weight[0]
        return x + y.permute(0, 3, 1, 2)

    assert "mul" not in left(scaled, nn.Linear(4, 4))

    def scaled_last(layer: nn.Module, factors: nn.Embedding, x: Tensor) -> Tensor:
        y: Tensor = layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + y * factors.weight.view(1, 4, 1, 1)

    assert "mul" not in left(scaled_last, nn.Linear(4, 4))


def test_a_number() -> None:
    assert "mul" not in left(
        lambda layer, factors, x: layer(x) * factors.weight[0, 0], nn.Linear(6, 3)
    )


def read_twice(layer: nn.Module, factors: nn.Embedding, x: Tensor) -> Tensor:
    y: Tensor = layer(x)
    return y * factors.weight.view(4, 1, 1) + y


def returned(layer: nn.Module, factors: nn.Embedding, x: Tensor) -> tuple[Tensor, Tensor]:
    y: Tensor = layer(x)
    return y, y * factors.weight.view(4, 1, 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda layer, factors, x: layer(x) * x[:, :1, :4, :4],
        lambda layer, factors, x: layer(x) * factors.weight[0],
        lambda layer, factors, x: torch.relu(layer(x)) * factors.weight.view(4, 1, 1),
        read_twice,
        returned,
        lambda layer, factors, x: layer(x) * factors.weight.view(1, 1, 4, 1, 1),
    ],
    ids=["computed", "by column", "behind relu", "read twice", "returned", "more axes"],
)
def test_other_products_stay(function: Callable[..., object]) -> None:
    assert "mul" in left(function, nn.Conv2d(4, 4, 3))


def test_an_image_without_a_batch() -> None:
    def scaled(layer: nn.Module, factors: nn.Embedding, x: Tensor) -> Tensor:
        y: Tensor = layer(x)
        return y * factors.weight.view(4, 1, 1)

    assert "mul" not in left(scaled, nn.Conv2d(4, 4, 3), X[0])
    by_row = Calls(
        lambda layer, factors, x: layer(x) * factors.weight.view(4, 1), nn.Conv2d(4, 4, 3), FACTORS
    )
    check(by_row, X[0])
