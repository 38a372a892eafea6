"""Normalisations and softmax of a network are as exact as PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from support.optimized import Calls, check, kernels

X = torch.randn(2, 6, 5, 8, generator=torch.Generator().manual_seed(0)) * 3 + 1
CHANNELS_LAST = X.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(affine: bool, bias: bool) -> None:
    model = nn.LayerNorm(8, elementwise_affine=affine, bias=bias)
    assert kernels(check(model, X), X) == ["layer norm"]


def test_layer_norm_of_channels() -> None:
    model = Calls(lambda norm, x: norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), nn.LayerNorm(6))
    assert "layer norm" in kernels(check(model, X), X)


def test_layer_norm_over_more_axes_stays_with_pytorch() -> None:
    assert kernels(check(nn.LayerNorm((5, 8)), X), X) == ["PyTorch"]


@pytest.mark.parametrize("axis", range(-4, 4))
@pytest.mark.parametrize("x", [X, CHANNELS_LAST], ids=["contiguous", "channels last"])
def test_softmax(x: Tensor, axis: int) -> None:
    names = kernels(check(nn.Softmax(axis), x), x)
    assert "softmax" in names
    assert "PyTorch" not in names


def test_softmax_of_a_number() -> None:
    check(nn.Softmax(0), torch.tensor(3.0))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("x", [X, CHANNELS_LAST, X[0, :, None], X[..., 0]], ids=range(4))
def test_group_norm(x: Tensor, groups: int, affine: bool) -> None:
    model = nn.GroupNorm(groups, 6, affine=affine)
    if affine:
        nn.init.normal_(model.weight)
        nn.init.normal_(model.bias)
    if x.shape[1] != 6:
        x = x.transpose(0, 1)
    assert "PyTorch" not in kernels(check(model, x), x)


def test_parameters_that_are_computed() -> None:
    def normalized(x: Tensor, weight: Tensor) -> Tensor:
        first = nn.functional.layer_norm(x, (8,), weight, None)
        return nn.functional.group_norm(first, 2, None, weight[:6])

    fast = check(Calls(normalized), X, torch.randn(8))
    assert kernels(fast, X, torch.randn(8)).count("PyTorch") == 2
