"""What is said to fold or fuse does; what is not has its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.networks.capture import capture
from glassconv.networks.convolutions import convolutions
from glassconv.networks.fusion import fusions


class Net(nn.Module):
    """Layers by name, and a function of them and the input."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.function = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def conv(padding: int = 1) -> nn.Conv2d:
    return nn.Conv2d(4, 4, 3, padding=padding)


def found(model: nn.Module) -> list[tuple[str, str | None, str]]:
    graph = capture(model, [1, 4, 8, 8])
    return [
        (each.operation.name, each.into.name if each.into else None, each.reason)
        for each in fusions(graph, convolutions(graph))
    ]


NEITHER = "neither of its operands is a convolution's output that nothing else reads"


def norm() -> nn.BatchNorm2d:
    return nn.BatchNorm2d(4)


CASES: list[tuple[nn.Module, list[tuple[str, str | None, str]]]] = [
    (
        Net(lambda n, x: F.relu(n.bn(n.conv(x)) + x), conv=conv(), bn=norm()),
        [("bn", "conv", ""), ("add", "conv", ""), ("relu", "conv", "")],
    ),
    (
        Net(lambda n, x: n.bn(F.relu(n.conv(x))), conv=conv(), bn=norm()),
        [("relu", "conv", ""), ("bn", None, "it reads the output of relu, not of a convolution")],
    ),
    (
        Net(lambda n, x: n.conv(n.bn(x)), conv=conv(0), bn=norm()),
        [("bn", "conv", "")],
    ),
    (
        Net(lambda n, x: n.conv(n.bn(x)), conv=conv(1), bn=norm()),
        [("bn", None, "it reads the input")],
    ),
    (
        Net(lambda n, x: n.bn(n.conv(y := n.conv(x))) + y, conv=conv(), bn=norm()),
        [
            ("bn", None, "conv uses the same weight"),
            ("add", None, NEITHER),
        ],
    ),
    (
        Net(lambda n, x: torch.cat([n.bn(y := n.conv(x)), y], 1), conv=conv(), bn=norm()),
        [("bn", None, "cat reads the convolution's output, too")],
    ),
    (
        Net(lambda n, x: F.batch_norm(n.conv(x), None, None, training=True), conv=conv()),
        [("batch_norm", None, "it normalises by the statistics of the batch")],
    ),
    (
        Net(lambda n, x: F.elu(n.conv(x)), conv=conv()),
        [("elu", None, "no kernel applies elu")],
    ),
    (
        Net(lambda n, x: F.gelu(n.conv(x), approximate="tanh"), conv=conv()),
        [("gelu", None, "no kernel applies gelu_by_tanh")],
    ),
    (
        Net(lambda n, x: F.hardtanh(n.conv(x), 0, 6), conv=conv()),
        [("hardtanh", "conv", "")],
    ),
    (
        Net(lambda n, x: n.conv(x) + 2 * n.other(x), conv=conv(), other=conv()),
        [
            ("add", None, NEITHER),
        ],
    ),
    (
        Net(lambda n, x: n.bn(n.conv(x)) + n.other(x), conv=conv(), bn=norm(), other=conv()),
        [("bn", "conv", ""), ("add", "other", "")],
    ),
    (
        Net(lambda n, x: n.conv(x) + n.conv(x).mean((2, 3), keepdim=True), conv=conv()),
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("model", "expected"), CASES)
def test_each_is_fused_or_refused_with_its_reason(
    model: nn.Module, expected: list[tuple[str, str | None, str]]
) -> None:
    assert found(model) == expected


def filled_norm() -> tuple[nn.BatchNorm2d, Tensor, Tensor]:
    """Return a normalisation in float64 with statistics, and its scale and shift of channels."""
    layer: Any = norm().double().eval()
    layer.running_mean.normal_()
    layer.running_var.uniform_(0.5, 2)
    scale = layer.weight / (layer.running_var + layer.eps).sqrt()
    return layer, scale, layer.bias - layer.running_mean * scale


def test_a_folded_normalisation_computes_the_same() -> None:
    layer, (bn, scale, shift) = conv().double(), filled_norm()
    assert found(nn.Sequential(layer, bn).double())[0][:2] == ("1", "0")
    assert layer.bias is not None
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    weight, bias = layer.weight * scale[:, None, None, None], layer.bias * scale + shift
    torch.testing.assert_close(F.conv2d(x, weight, bias, padding=1), bn(layer(x)))


@pytest.mark.parametrize(("padding", "folds"), [(0, True), (1, False)])
def test_a_normalisation_before_a_convolution_folds_only_without_padding(
    padding: int, folds: bool
) -> None:
    """With padding, the zeros around would have to become −shift / scale."""
    layer, (bn, scale, shift) = conv(padding).double(), filled_norm()
    assert (found(nn.Sequential(bn, layer))[0][1] is not None) is folds
    assert layer.bias is not None
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    weight = layer.weight * scale[:, None, None]
    bias = layer.bias + (layer.weight * shift[:, None, None]).sum((1, 2, 3))
    assert torch.allclose(F.conv2d(x, weight, bias, padding=padding), layer(bn(x))) is folds
