"""A case: a network, its input and its output in float64, in a folder that all engines read.

The weights are random, and such that a mistake shows: what an initialization leaves all alike, as
biases of 0, is drawn as well, and each BatchNorm has the statistics of its own inputs, so that
activations neither grow nor vanish.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from glassconv.benchmarks.peers.onnx_export import export
from glassconv.benchmarks.peers.unet import UNet
from glassconv.benchmarks.torchvision_schemas import declare
from glassconv.networks.load import SEED, is_source, load
from glassconv.networks.relative_error import relative_error
from glassconv.networks.usual_input import usual_shape
from glassconv.reports.array import Array

EAGERS, LEAST = 10, 1e-4  # an error may be ten times PyTorch's own and 1e-4
BATCH = 4  # random images whose statistics BatchNorm gets


@dataclass(frozen=True)
class Case:
    """A network in a folder, to be run by so many threads."""

    name: str
    folder: Path
    threads: int
    limit: float  # of the relative error

    def network(self) -> nn.Module:
        """Return the network in evaluation mode, with the weights that are kept."""
        network = _built(self.name)
        network.load_state_dict(torch.load(self.folder / "weights.pt", mmap=True))
        return network

    def input(self) -> Tensor:
        """Return the input, of shape `[batch, channels, height, width]` in float32."""
        return torch.from_numpy(np.load(self.folder / "input.npy"))

    def error(self, output: Array) -> float:
        """Return the largest error of an output, relative to the largest number of the true one.

        It is infinite where a number of the output is not finite. Raises `RuntimeError` for an
        output of another size; engines may leave the batch out.
        """
        if not np.isfinite(output).all():
            return inf
        expected = torch.from_numpy(np.load(self.folder / "expected.npy"))
        return relative_error([torch.tensor(output).reshape(expected.shape)], [expected])

    def onnx(self) -> Path:
        """Return the network as a file of ONNX, which the first engine that needs it writes."""
        return self.converted(
            "network.onnx", lambda path: export(self.network(), self.input(), path)
        )

    def converted(self, name: str, convert: Callable[[Path], object]) -> Path:
        """Return a file of the folder, converted unless an earlier process did."""
        path = self.folder / name
        if not path.exists():
            convert(path)
        return path


def prepare(name: str, folder: Path) -> Case:
    """Write a network's weights, an input and the output in float64 into a folder.

    name: a network of torchvision, `unet_256`, or any source that `glassconv.networks.load` knows.
    """
    network = _built(name)
    generator = torch.Generator().manual_seed(SEED)
    shape = usual_shape(network)
    input = torch.randn(shape, generator=generator)
    with torch.no_grad():
        _draw_what_is_alike(network, generator)
        _normalize(network, torch.randn((BATCH, *shape[1:]), generator=generator))
        eager = network(input)
        expected = deepcopy(network).double()(input.double())
    torch.save(network.state_dict(), folder / "weights.pt")
    np.save(folder / "input.npy", input.numpy())
    np.save(folder / "expected.npy", expected.numpy())
    limit = EAGERS * relative_error([eager], [expected]) + LEAST
    return Case(name, folder, torch.get_num_threads(), limit)


def _built(name: str) -> nn.Module:
    declare()
    if name == "unet_256":
        torch.manual_seed(SEED)
        return load(UNet())
    return load(name if is_source(name) else f"torchvision:{name}")


def _draw_what_is_alike(network: nn.Module, generator: torch.Generator) -> None:
    """Draw parameters that the initialization leaves all alike: biases, scales, layer scales."""
    for parameter in network.parameters():
        if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
            least, most = (0.5, 1.5) if bool(parameter.any()) else (-0.1, 0.1)
            parameter.uniform_(least, most, generator=generator)


def _normalize(network: nn.Module, images: Tensor) -> None:
    """Give each BatchNorm the mean and variance of its own inputs."""
    normalizations = [
        each for each in network.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)
    ]
    momenta = [each.momentum for each in normalizations]
    for each in normalizations:
        each.momentum = 1.0  # the statistics are those of one pass
        each.train()
    network(images)
    for each, momentum in zip(normalizations, momenta, strict=True):
        each.momentum = momentum
        each.eval()
