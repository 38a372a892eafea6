"""The page's strip of layers against PyTorch in float64, its receptive field against autograd."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from glassconv.explore.layers import simple
from glassconv.explore.tensors import from_document, to_document
from glassconv.problem.receptive_field import receptive_fields
from glassconv.problem.stack import parse_stack
from support.browsers import in_node

STRIPS = 60
UNIT_ROUNDOFF = 2.0**-53


@dataclass(frozen=True)
class Strip:
    """Layers of PyTorch with float64 weights, their text, and an input that they fit."""

    layers: tuple[nn.Module, ...]
    text: str
    input: Tensor
    at: tuple[int, int]  # an output of the last layer

    def document(self) -> dict[str, Any]:
        numbers = [
            {"weight": _document(layer.weight), "bias": _document(layer.bias)}
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
            else None
            for layer in self.layers
        ]
        return {
            "layers": self.text,
            "input": to_document(self.input.numpy()),
            "numbers": numbers,
            "at": self.at,
        }


def test_a_strip_computes_what_pytorch_does_and_knows_its_receptive_field(tmp_path: Path) -> None:
    strips = [_strip(seed) for seed in range(STRIPS)]
    kinds = {type(layer) for strip in strips for layer in strip.layers}
    assert len(kinds) == 5  # or some would not be tested
    answers = in_node("chain.mjs", [strip.document() for strip in strips], tmp_path)
    for strip, answer in zip(strips, answers, strict=True):
        x, error = strip.input, torch.zeros_like(strip.input)
        with torch.no_grad():
            for layer, output in zip(strip.layers, answer["outputs"], strict=True):
                x, error = _step(layer, x, error)
                found = torch.from_numpy(from_document(output, "output"))
                assert found.shape == x.shape, strip.text
                assert ((found - x).abs() <= error).all(), strip.text
        inside, sizes = _field_by_autograd(strip)
        assert answer["inside"] == inside, strip.text
        if not any(isinstance(layer, nn.ConvTranspose2d) for layer in strip.layers):
            assert [last - first + 1 for first, last in answer["field"]] == sizes, strip.text
            ours = receptive_fields(parse_stack(strip.text).windows)[-1]
            assert list(ours.size) == sizes, strip.text


def _step(layer: nn.Module, x: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Return a layer's output, and how far two sums of its products in float64 may be apart.

    A sum of n products is within n·u·Σ|x||w| of the true sum, in any order; what its inputs are
    apart already is carried on by the magnitudes of the weights.
    """
    output = layer(x)
    if isinstance(layer, nn.ReLU):
        return output, error
    if isinstance(layer, nn.MaxPool2d):
        return output, layer(error)
    if isinstance(layer, nn.AvgPool2d):
        window = layer.kernel_size
        products = 2 + (window if isinstance(window, int) else int(np.prod(window))) ** 2
        return output, layer(error) + 2 * products * UNIT_ROUNDOFF * layer(x.abs() + error)
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None
    positive = _copy_of(layer, layer.weight.abs(), layer.bias.abs())
    carried = _copy_of(layer, layer.weight.abs(), torch.zeros_like(layer.bias))
    products = layer.weight.numel() + 2  # at least as many as there are in a sum
    rounding = 2 * products * UNIT_ROUNDOFF * positive(x.abs() + error)
    return output, carried(error) + rounding


def _copy_of(layer: nn.Module, weight: Tensor, bias: Tensor) -> nn.Module:
    with torch.no_grad():
        copy: Any = type(layer)(**_arguments(layer)).double()
        copy.weight.copy_(weight)
        copy.bias.copy_(bias)
    made: nn.Module = copy
    return made


def _arguments(layer: Any) -> dict[str, Any]:
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation")
    return {name: getattr(layer, name) for name in (*names, "groups")}


def _field_by_autograd(strip: Strip) -> tuple[list[list[int]], list[int]]:
    """Return from where to where one output has a gradient, in the input and without its edges.

    The weights are ones, and a maximum is a mean, so that no gradient is 0 by chance. Without its
    edges: on an input so large that no padding is read.
    """
    layers = [_linear(layer) for layer in strip.layers]
    inside = _spans(layers, tuple(strip.input.shape), strip.at)
    large = (1, strip.input.shape[1], 160, 160)
    output = nn.Sequential(*layers)(torch.zeros(large, dtype=torch.float64))
    middle = (output.shape[2] // 2, output.shape[3] // 2)
    sizes = [last - first + 1 for first, last in _spans(layers, large, middle)]
    return inside, sizes


def _linear(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.ReLU):
        return nn.Identity()
    if isinstance(layer, nn.MaxPool2d):
        return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, nn.AvgPool2d):
        return layer
    convolution: Any = layer
    ones = torch.ones_like(convolution.weight)
    return _copy_of(convolution, ones, torch.zeros(convolution.out_channels))


def _spans(layers: list[nn.Module], shape: tuple[int, ...], at: tuple[int, int]) -> list[list[int]]:
    input = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    nn.Sequential(*layers)(input)[0, 0, at[0], at[1]].backward()
    assert input.grad is not None
    read = input.grad[0].abs().sum(0)
    places = [read.sum(1 - axis).nonzero().flatten() for axis in (0, 1)]
    return [[int(each.min()), int(each.max())] for each in places]


def _strip(seed: int) -> Strip:
    """Return a random strip whose padding is so small that every output reads a pixel."""
    chance = random.Random(seed)
    torch.manual_seed(seed)
    channels, size = chance.randint(1, 4), (chance.randint(18, 30), chance.randint(18, 30))
    input = torch.randn(1, channels, *size, dtype=torch.float64)
    layers: list[nn.Module] = []
    texts: list[str] = []
    x = input
    for place in range(chance.randint(2, 6)):
        kind = "conv" if place == 0 else chance.choice(["conv", "relu", "maxpool", "avgpool"])
        layer, text = _layer(kind, x.shape[1], chance)
        with torch.no_grad():
            after = x if min(x.shape[2:]) < 6 else layer(x)
        if min(after.shape[2:]) < 3 or after is x:
            break
        layers.append(layer)
        texts.append(text)
        x = after
    at = (chance.randrange(x.shape[2]), chance.randrange(x.shape[3]))
    texts[0] = f"{channels}x{size[0]}x{size[1]} {texts[0]}"
    return Strip(tuple(layers), " ".join(texts), input, at)


def _layer(kind: str, channels: int, chance: random.Random) -> tuple[nn.Module, str]:
    if kind == "relu":
        return nn.ReLU(), "relu"
    if kind in ("maxpool", "avgpool"):
        window, stride = chance.randint(2, 3), chance.randint(1, 2)
        pooling = nn.MaxPool2d if kind == "maxpool" else nn.AvgPool2d
        layer = pooling(window, stride, padding=chance.randint(0, 1))
        return layer, simple("", layer, "").text
    kernel = (chance.randint(1, 3), chance.randint(1, 3))
    filters, step, padding = chance.randint(1, 4), chance.randint(1, 2), chance.randint(0, 1)
    padding = min(padding, *(size - 1 for size in kernel))
    words = f"{filters}@{kernel[0]}x{kernel[1]} s{step} p{padding}"
    if chance.random() < 0.2:
        transposed = nn.ConvTranspose2d(channels, filters, kernel, step, padding).double()
        return transposed, f"{words} float64 transposed"
    dilation = chance.randint(1, 2)
    convolution = nn.Conv2d(channels, filters, kernel, step, padding, dilation).double()
    return convolution, f"{words} d{dilation} float64"


def _document(array: Tensor | None) -> dict[str, Any] | None:
    return None if array is None else to_document(array.detach().numpy())
