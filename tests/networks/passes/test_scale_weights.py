"""The scale of squeeze-and-excitation goes into the weights of the 1 × 1 convolution behind it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from support.optimized import Calls, after_passes, check


def excited(squeeze: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """Return a convolution of an array whose channels are scaled by what they sum to."""
    scale = squeeze(x.mean((2, 3), keepdim=True)).sigmoid()
    output: Tensor = conv(x * scale)
    return output.relu()


def model(filters: int = 20, **options: Any) -> Calls:
    return Calls(excited, nn.Conv2d(24, 24, 1), nn.Conv2d(24, filters, 1, **options))


def is_scaled(network: nn.Module, x: Tensor) -> bool:
    """Compare a network, and return whether a convolution scales its weights."""
    check(network, x)
    operations = after_passes(network.eval(), x)["scale_weights"].operations
    return any("scale" in each.arguments for each in operations)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "bias": False}], ids=str)
def test_it_is_folded(options: dict[str, Any], layout: torch.memory_format) -> None:
    x = torch.rand(1, 24, 17, 17).to(memory_format=layout)
    assert is_scaled(model(20, **options), x)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (model(), (2, 24, 9, 9)),  # the images have scales of their own
        (model(filters=100), (1, 24, 9, 9)),  # more filters than positions
        (model(filters=24, groups=2), (1, 24, 9, 9)),
        (model(padding=1), (1, 24, 9, 9)),
        (Calls(excited, nn.Conv2d(24, 24, 1), nn.Conv2d(24, 4, 3)), (1, 24, 9, 9)),
    ],
    ids=["two images", "many filters", "groups", "padding", "3 × 3"],
)  # fmt: skip
def test_it_is_not_folded(network: nn.Module, shape: tuple[int, ...]) -> None:
    assert not is_scaled(network, torch.rand(shape))


@pytest.mark.parametrize("channels", [24, 100])
def test_a_product_that_is_read_twice_stays(channels: int) -> None:
    """It is the residual of the convolution that reads it, too."""

    def twice(squeeze: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
        scaled: Tensor = x * squeeze(x.mean((2, 3), keepdim=True))
        output: Tensor = conv(scaled)
        return output + scaled

    network = Calls(twice, nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1))
    assert not is_scaled(network, torch.rand(1, channels, 9, 9))
