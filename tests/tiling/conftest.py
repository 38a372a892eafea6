"""A network, an image, and the output that tiles of it must have, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import glassconv
from glassconv.reports.array import Array


class Network(nn.Module):
    """What a U-Net has: convolutions, one with a stride, one transposed, and a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(6, 4, 2, 2)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = F.relu(self.first(x))
        joined = torch.cat([skip, self.up(F.relu(self.down(skip)))], 1)
        output: Tensor = self.last(joined)
        return output


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def image() -> Array:
    """Return an image whose output takes a few tiles in 50 kB."""
    return np.random.default_rng(0).integers(0, 255, (1, 3, 40, 60), dtype=np.uint8)


@pytest.fixture
def expected(network: Network, image: Array) -> Array:
    """Return the output of the network with glassconv's layers, in "strict"."""
    with torch.no_grad():
        strict = glassconv.nn.swap(network, accuracy="strict").model
        output: Array = strict(torch.from_numpy(image).float()).numpy()
    return output
