"""Upsampling of a network is PyTorch's, by factors and by sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from support.optimized import Calls, check, kernels

X = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0))
LAYOUTS = pytest.mark.parametrize(
    "x", [X, X.to(memory_format=torch.channels_last)], ids=["contiguous", "channels last"]
)


@LAYOUTS
@pytest.mark.parametrize("scale", [2, 3, (1, 2), 1.5])
def test_nearest_neighbours(scale: float | tuple[int, int], x: Tensor) -> None:
    fast = check(Calls(lambda x: F.interpolate(x, scale_factor=scale)), x)
    assert torch.equal(fast(x), F.interpolate(x, scale_factor=scale))
    assert ("PyTorch" in kernels(fast, x)) == (scale == 1.5)


@LAYOUTS
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        {"scale_factor": 2}, {"scale_factor": (1.5, 3)}, {"size": (9, 11)}, {"size": (3, 5)},
        {"scale_factor": 0.7, "recompute_scale_factor": True}, {"size": (1, 1)},
    ],
)  # fmt: skip
def test_bilinear(arguments: dict[str, Any], corners: bool, x: Tensor) -> None:
    model = Calls(lambda x: F.interpolate(x, mode="bilinear", align_corners=corners, **arguments))
    assert "PyTorch" not in kernels(check(model, x), x)


def test_overloads_by_sizes_and_scales() -> None:
    aten = torch.ops.aten
    for function in (
        lambda x: aten.upsample_nearest2d.default(x, [12, 10], 2.0, 2.0),
        lambda x: aten.upsample_nearest2d.default(x, [12, 10]),
        lambda x: aten.upsample_bilinear2d.default(x, [12, 10], False, 2.0, 2.0),
        lambda x: aten.upsample_bilinear2d.default(x, [9, 10], True),
    ):
        assert "PyTorch" not in kernels(check(Calls(function), X), X)
    sequence = Calls(lambda x: aten.upsample_nearest1d.default(x, [10], 2.0))
    assert "PyTorch" not in kernels(check(sequence, X[0]), X[0])


@pytest.mark.parametrize("antialias", [True, False])
def test_other_modes_stay_with_pytorch(antialias: bool) -> None:
    def smaller(x: Tensor) -> Tensor:
        mode = "bilinear" if antialias else "bicubic"
        return F.interpolate(x, (3, 3), mode=mode, antialias=antialias)

    assert kernels(check(Calls(smaller), X), X)[0] == "PyTorch"
