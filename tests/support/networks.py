"""Small networks with what the views of a network show: skips, long names, what cannot fuse."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glassconv.explanation.network import explain_network
from glassconv.reports.network import NetworkExplanation


class Block(nn.Module):
    """Two convolutions around a skip, and a gate that reads the whole image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a_rather_long_name_of_a_convolution = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.a_rather_long_name_of_a_convolution(x)))
        return nn.functional.elu(y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))) + x


def small_network() -> nn.Sequential:
    """Return two such blocks between other layers."""
    return nn.Sequential(
        nn.Conv2d(3, 16, (7, 5), 2, 3), nn.MaxPool2d(3, 2, 1), Block(16), Block(16), nn.Flatten(),
        nn.Linear(16 * 8 * 9, 2),
    )  # fmt: skip


def small_explanation(*, timed: bool = False) -> NetworkExplanation:
    """Return what is explained of it."""
    return explain_network(small_network(), [1, 3, 32, 32], "<small> & long", timed=timed).facts
