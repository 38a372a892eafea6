"""The peak that is predicted is what PyTorch's allocator is seen to have given out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.networks.capture import capture
from glassconv.networks.load import load
from glassconv.networks.peak_memory import peak_of_activations
from support.architectures import measured


class Holding(nn.Module):
    """Keeps activations for a later skip, as a U-Net does, and drops them."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(4, 16, 3, padding=1)
        self.inner = nn.Conv2d(16, 16, 3, 2, padding=1)
        self.up = nn.ConvTranspose2d(16, 16, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        held = F.relu(self.down(x))
        y = F.max_pool2d(self.up(self.inner(held)), 3, 1, 1)
        y = torch.cat([y, held], 1)
        del held
        return F.interpolate(y.softmax(1), scale_factor=2, mode="bilinear").mean((2, 3))


MODELS = {
    "u-net": Holding(),
    "u-net in float64": Holding().double(),
    "grouped": nn.Sequential(nn.Conv2d(4, 32, 1), nn.Conv2d(32, 32, 3, padding=1, groups=32)),
    "padding": nn.Sequential(nn.Conv2d(4, 32, 3, padding=1, padding_mode="circular"), nn.SiLU()),
    "strided": nn.Sequential(nn.Conv2d(4, 32, 3, 2, 1), nn.ReLU6(True), nn.Conv2d(32, 64, 1, 2)),
}


def check(model: nn.Module, x: Tensor) -> None:
    predicted, _ = peak_of_activations(capture(model.eval(), x))
    found = measured(model, x)
    assert abs(predicted - found) <= 0.05 * found, f"{predicted:,} predicted, {found:,} measured"


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("size", [48, 160])
def test_the_peak_is_within_5_percent(model: nn.Module, size: int) -> None:
    dtype = next(model.parameters()).dtype
    check(model, torch.rand(1, 4, size, size, dtype=dtype))


@pytest.mark.parametrize(
    "source",
    ["torchvision:resnet18", "torchvision:mobilenet_v2", "timm:convnext_atto", "timm:ghostnet_100"],
)
def test_the_peak_of_a_network_is_within_5_percent(source: str) -> None:
    check(load(source), torch.rand(1, 3, 224, 224))


def test_where_the_peak_is_said() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 64, 3), nn.Conv2d(64, 1, 1)).double()
    _, operation = peak_of_activations(capture(model, [1, 1, 32, 32]))
    assert operation.name == "1"
