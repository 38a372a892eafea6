"""Layers that `swap` and `unswap` keep, and why."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import glassconv
from glassconv.nn import swap, unswap
from glassconv.reports.swap import KeptLayer

INPLACE = pytest.mark.parametrize("inplace", [False, True])


class Standardized(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input - input.mean())


class Renamed(nn.Conv2d):
    """A subclass that changes nothing."""


class Conv1D(nn.Module):
    """A matrix product that is called a convolution, as in transformers' GPT-2."""

    def forward(self, input: Tensor) -> Tensor:
        return input


class ConvBlock(nn.Module):
    """A container, of which nothing is to be said."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)


def replaced_forward() -> nn.Module:
    layer = nn.Conv2d(3, 3, 3)
    layer.forward = partial(nn.Conv2d.forward, layer)  # type: ignore[method-assign]
    return layer


def with_an_activation() -> nn.Module:
    layer = nn.Conv2d(3, 3, 3)
    layer.activation = nn.ReLU()
    return layer


ao: Any = torch.ao  # its functions have no types
QCONFIG = ao.quantization.get_default_qat_qconfig()

KEPT: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "forward": (partial(Standardized, 3, 3, 3), "a subclass with a forward of its own"),
    "subclass": (partial(Renamed, 3, 3, 3), "a subclass, and only PyTorch's own classes"),
    "qat": (
        lambda: ao.nn.qat.Conv2d(3, 3, 3, qconfig=QCONFIG),
        "a subclass with a forward of its own",
    ),
    "ours": (partial(glassconv.nn.Conv2d, 3, 3, 3), "it is one already"),
    "replaced": (replaced_forward, "its forward was replaced"),
    "attribute": (with_an_activation, "it has an attribute 'activation' already"),
    "other": (Conv1D, "not a layer of PyTorch's"),
    "parametrized": (
        lambda: parametrizations.weight_norm(Renamed(3, 3, 3)),
        "a subclass, and only PyTorch's own classes",
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("make", "reason"), KEPT.values(), ids=KEPT)
@INPLACE
def test_other_layers_are_kept_and_it_is_said_why(
    make: Callable[[], nn.Module], reason: str, inplace: bool
) -> None:
    model = nn.Sequential(ConvBlock(), make())
    kind = type(model[1])
    report = swap(model, inplace=inplace)
    assert [layer.names for layer in report.swapped] == [("0.conv",)]
    (kept,) = report.kept
    assert kept.names == ("1",)
    assert kept.reason.startswith(reason)
    assert type(report.model[1]) is kind
    assert reason in " ".join(str(report).split())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantized_and_scripted_layers_are_kept() -> None:
    scripted = nn.Sequential(torch.jit.script(nn.Conv2d(3, 3, 3)))
    assert [kept.reason for kept in swap(scripted, inplace=True).kept] == [
        "compiled by TorchScript"
    ]
    quantized = nn.Sequential(ao.nn.quantized.Conv2d(3, 3, 3))
    assert [kept.reason for kept in swap(quantized, inplace=True).kept] == ["quantized"]


def test_unswap_keeps_an_activation_and_what_is_pytorchs() -> None:
    model = nn.Sequential(
        glassconv.nn.Conv2d(3, 3, 3, activation="relu"),
        glassconv.nn.Conv2d(3, 3, 3, algorithm="im2col"),
        nn.Conv2d(3, 3, 3),
    )
    report = unswap(model)
    assert report.kept == (
        KeptLayer(
            ("0",), "glassconv.nn.convolution.Conv2d",
            "it ends with relu, and a layer of PyTorch does not",
        ),
        KeptLayer(("2",), "torch.nn.modules.conv.Conv2d", "it is one already"),
    )  # fmt: skip
    assert [type(layer) for layer in report.model.children()] == [
        glassconv.nn.Conv2d, nn.Conv2d, nn.Conv2d,
    ]  # fmt: skip
    assert "algorithm" not in vars(report.model[1])
