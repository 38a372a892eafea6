"""Pooling and means of a network are PyTorch's, with all their arguments."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from support.optimized import Calls, check, kernels

X = torch.randn(2, 6, 9, 8, generator=torch.Generator().manual_seed(0))
CHANNELS_LAST = X.to(memory_format=torch.channels_last)
LAYOUTS = pytest.mark.parametrize("x", [X, CHANNELS_LAST], ids=["contiguous", "channels last"])


@LAYOUTS
@pytest.mark.parametrize(
    "layer",
    [
        nn.MaxPool2d(3, 2, 1), nn.MaxPool2d((2, 3), ceil_mode=True), nn.MaxPool2d(2, 1, 0, 2),
        nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1, True, False),
        nn.AvgPool2d(3, divisor_override=5), nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((3, 4)), nn.AdaptiveAvgPool2d((None, 1)), nn.AdaptiveAvgPool2d((9, 8)),
        nn.AdaptiveAvgPool2d((4, 3)),
    ],
)  # fmt: skip
def test_images(layer: nn.Module, x: Tensor) -> None:
    assert "PyTorch" not in kernels(check(layer, x), x)


@pytest.mark.parametrize(
    "layer", [nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(1)], ids=str
)
def test_sequences(layer: nn.Module) -> None:
    assert "PyTorch" not in kernels(check(layer, X[..., 0]), X[..., 0])


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.MaxPool2d(2), "it has no batch axis"),
        (nn.AdaptiveAvgPool2d(1), "it has no batch axis"),
    ],
)
def test_what_stays_with_pytorch(layer: nn.Module, reason: str) -> None:
    x = X[0]
    (step,) = check(layer, x).plan(x).steps
    assert getattr(step, "reason", "") == reason


@LAYOUTS
@pytest.mark.parametrize("keepdim", [True, False])
@pytest.mark.parametrize("axes", [(2, 3), (-1, -2), (1, 2), (3, 1), (-2, 3)])
def test_means_over_all_axes_but_two(axes: tuple[int, ...], keepdim: bool, x: Tensor) -> None:
    model = Calls(lambda x: x.mean(axes, keepdim=keepdim))
    assert "PyTorch" not in kernels(check(model, x), x)


def test_means_of_tokens() -> None:
    tokens = X.flatten(2).transpose(1, 2)
    for x in (tokens, tokens.contiguous()):
        assert "PyTorch" not in kernels(check(Calls(lambda x: x.mean(1)), x), x)


@pytest.mark.parametrize(
    "arguments", [{}, {"dim": 1}, {"dim": (0, 2)}, {"dim": (2, 3), "dtype": torch.float64}]
)
def test_other_means_stay_with_pytorch(arguments: dict[str, Any]) -> None:
    model = Calls(lambda x: x.mean(**arguments))
    assert kernels(check(model, X), X) == ["PyTorch"]


def test_a_copy_of_an_input_is_no_view_of_it() -> None:
    fast = check(Calls(lambda x: F.adaptive_avg_pool2d(x, (9, 8))), X)
    assert fast(X).data_ptr() != X.data_ptr()
