"""Receptive fields through skips and branches: published ones, and what gradients reach.

Every network here has weights of 1 and no activation, so the gradient of an output is positive at
each position of the input that it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import support.torchvision_schemas  # noqa: F401  before torchvision
from glassconv.networks.capture import capture
from glassconv.networks.load import load
from glassconv.networks.reads import WHOLE, Along, Fields
from glassconv.networks.receptive_fields import ReceptiveFields, receptive_fields
from glassconv.problem.receptive_field import receptive_fields as fields_of_chain
from glassconv.problem.stack import parse_stack
from support.undrawn import leave_weights_undrawn


class Network(nn.Module):
    """A function of an image and of kernels of ones."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def conv(x: Tensor, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    weight = x.new_ones(x.shape[1], x.shape[1], kernel, kernel)
    return F.conv2d(x, weight, None, stride, padding, dilation)


def up(x: Tensor, kernel: int, stride: int, padding: int = 0) -> Tensor:
    weight = x.new_ones(x.shape[1], x.shape[1], kernel, kernel)
    return F.conv_transpose2d(x, weight, None, stride, padding)


def shuffled(x: Tensor) -> Tensor:
    x = conv(x, 3, 1, 1).permute(0, 2, 3, 1)
    x = (x * 2).flatten(1, 2).transpose(1, 2).reshape(1, 2, 40, 40)
    return conv(x, 3)


def windows_joined(x: Tensor) -> Tensor:
    """Sum each 5 × 5 window of a partition, and give the sum to each of its positions."""
    batch, channels, height, width = x.shape
    tokens = x.view(batch, channels, height // 5, 5, width // 5, 5).permute(0, 2, 4, 1, 3, 5)
    tokens = tokens.reshape(-1, channels, 25)
    mixed = (tokens @ tokens.new_ones(25, 25)).view(-1, height // 5, width // 5, channels, 5, 5)
    return conv(mixed.permute(0, 3, 1, 4, 2, 5).reshape(x.shape) + x, 3, 1, 1)


EXACT: dict[str, Callable[[Tensor], Tensor]] = {
    "chain": lambda x: conv(F.avg_pool2d(conv(x, 3, 2, 1), 3, 2, 1), 3, 1, 1),
    "dilated": lambda x: conv(conv(x, 3, 1, 2, 2), 3, 2, 4, 4),
    "skip": lambda x: conv(conv(x, 3, 1, 1), 3, 1, 1) + x,
    "branches of other sizes": lambda x: conv(x, 3, 2, 1) + conv(x, 7, 2, 3),
    "branches of other centres": lambda x: conv(x, 3, 1, 0)[..., 2:, 2:] + conv(x, 5),
    "joined channels": lambda x: torch.cat([conv(x, 1), conv(x, 5, 1, 2), x], 1),
    "slices": lambda x: conv(x[:, :, 1::2, ::2], 3),
    "pad": lambda x: conv(F.pad(x, (1, 2, 3, 0)), 3, 2),
    "permuted and flattened": shuffled,
    "unshuffled pixels": lambda x: conv(F.pixel_unshuffle(x, 2), 3),
    "unfolded": lambda x: conv(x.unfold(2, 3, 1).sum(-1).unfold(3, 3, 1).sum(-1), 3),
    "im2col": lambda x: F.unfold(x, 3, padding=1).sum(1, keepdim=True).view(1, 1, 40, 40),
    "halves": lambda x: torch.cat(x.chunk(2, 1), 1) + conv(x, 3, 1, 1),
    "adaptive pooling": lambda x: conv(F.adaptive_avg_pool2d(x, 10), 3),
}
AT_MOST: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda x: up(conv(x, 3, 2, 1), 2, 2),
    "transposed further": lambda x: conv(up(conv(x, 3, 4), 4, 2, 1), 3, 1, 1),
    "nearest": lambda x: conv(F.interpolate(conv(x, 3, 2, 1), scale_factor=2), 3, 1, 1),
    "bilinear": lambda x: F.interpolate(conv(x, 3, 2, 1), scale_factor=2, mode="bilinear") + x,
    "bilinear with corners": lambda x: F.interpolate(
        conv(x, 3, 2, 1), size=40, mode="bilinear", align_corners=True
    ),
    "smaller": lambda x: F.interpolate(x, size=23, mode="bilinear"),
    "uneven pooling": lambda x: F.adaptive_avg_pool2d(x, 7),
    "shuffled pixels": lambda x: F.pixel_shuffle(conv(x.repeat(1, 4, 1, 1), 3, 1, 1), 2),
    "branches of other strides": lambda x: (
        conv(x, 3, 2)[..., :10, :10] + conv(x, 3, 1)[..., :10, :10]
    ),
    "windows": windows_joined,
    "joined along an axis": lambda x: torch.cat([x[:, :, :7], conv(x, 3, 1, 1)[:, :, 7:]], 2),
    "global": lambda x: x * x.mean((2, 3), keepdim=True),
}  # fmt: skip


def analysed(function: Callable[[Tensor], Tensor], channels: int = 2) -> tuple[Fields, Tensor]:
    """Return what is said of a network's output, and the network's input with its size."""
    x = torch.ones(1, channels, 40, 40, dtype=torch.float64)
    graph = capture(Network(function), x)
    return receptive_fields(graph).of(graph.outputs[0]), x


def reached(function: Callable[[Tensor], Tensor], x: Tensor, output: int, axis: int) -> list[int]:
    """Return the first and the last position along an axis that the outputs of an index read.

    Empty where they read nothing but padding.
    """
    x = x.clone().requires_grad_()
    y = function(x)
    line = y.select(axis + 2, output)
    middle = line[..., line.shape[-1] // 2].sum()
    (gradient,) = torch.autograd.grad(middle, x)
    found = gradient.abs().sum(tuple(dim for dim in range(4) if dim != axis + 2)).nonzero()
    return [int(found[0]), int(found[-1])] if len(found) else []


@pytest.mark.parametrize("name", EXACT)
def test_an_output_far_from_the_edges_reads_what_is_said(name: str) -> None:
    function = EXACT[name]
    fields, x = analysed(function, 1 if name == "im2col" else 2)
    for axis, reads in enumerate(fields):
        assert isinstance(reads, Along)
        for output in (reads.count // 2, reads.count // 2 + 1):
            start = reads.start + output * reads.stride
            assert reached(function, x, output, axis) == [start, start + reads.size - 1]


@pytest.mark.parametrize("name", [*EXACT, *AT_MOST])
def test_no_output_reads_more_than_is_said(name: str) -> None:
    function = {**EXACT, **AT_MOST}[name]
    fields, x = analysed(function, 1 if name == "im2col" else 2)
    y = function(x)
    for axis, reads in enumerate(fields):
        if not isinstance(reads, Along):
            assert name in ("global", "joined along an axis") or reads == WHOLE
            continue
        for output in range(0, y.shape[axis + 2], 3):
            for position in reached(function, x, output, axis):
                assert reads.start <= position - output * reads.stride <= reads.end


def test_a_bound_is_not_needlessly_wide() -> None:
    """Within what interpolation may round, at most the reach of a tap more on each side."""
    for name in ("transposed", "nearest", "bilinear", "shuffled pixels", "smaller"):
        fields, x = analysed(AT_MOST[name])
        (reads, _) = fields
        assert isinstance(reads, Along)
        spans = []
        for output in range(reads.count // 2, reads.count // 2 + 4):
            first, last = reached(AT_MOST[name], x, output, 0)
            spans.append(last - first + 1)
        assert max(spans) <= reads.size <= max(spans) + 2


@pytest.mark.parametrize(
    "text",
    [
        "2x64x64 3@3x3 p1 4@3x3 s2 p1 2@3x3",
        "1x64x64 1@5x3 s2x1 p2x1 1@3x3 d2 p2 1@2x2 s2",
        "2x64x64 4@3x3 p1 avgpool 2 4@3x3 p1 avgpool 3 s2 p1",
    ],
)
def test_a_chain_has_the_field_that_the_explorer_shows(text: str) -> None:
    stack = parse_stack(text)
    layers: list[nn.Module] = []
    for each in stack.layers:
        axes = each.layer.axes
        kernel, stride, padding, dilation = (
            tuple(read)
            for read in zip(
                *((a.kernel_size, a.stride, a.padding[0], a.dilation) for a in axes), strict=True
            )
        )
        if each.text.startswith("avgpool"):
            layers.append(nn.AvgPool2d(kernel, stride, padding))
        else:
            channels = each.input_shape[1], each.output_shape[1]
            layers.append(nn.Conv2d(*channels, kernel, stride, padding, dilation))
    graph = capture(nn.Sequential(*layers), stack.input_shape)
    fields = receptive_fields(graph).of(graph.outputs[0])
    chain = fields_of_chain(stack.windows)[-1]
    for reads, size, jump, centre in zip(fields, chain.size, chain.jump, chain.centre, strict=True):
        assert isinstance(reads, Along)
        assert (reads.size, reads.stride) == (size, jump)
        assert reads.start + Fraction(size - 1, 2) == centre


def field_at(source: str, ending: str) -> Along:
    graph = capture(load(source), [1, 3, 224, 224])
    fields: ReceptiveFields = receptive_fields(graph)
    last = [each for each in graph.operations if each.name.startswith(ending)][-1]
    reads = fields.of(last.outputs[0])[0]
    assert isinstance(reads, Along)
    return reads


@pytest.mark.parametrize(
    ("source", "ending", "size", "stride"),
    [
        ("torchvision:resnet18", "layer4", 435, 32),
        ("torchvision:vgg16", "features", 212, 32),
        ("torchvision:alexnet", "features", 195, 32),
        ("torchvision:inception_v3", "Mixed_7c", 1311, 32),
    ],
)
def test_published_fields(
    source: str, ending: str, size: int, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Araujo, Norris and Sim, Distill, 2019, table 1; resnet18's by their formula."""
    leave_weights_undrawn(monkeypatch)
    reads = field_at(source, ending)
    assert (reads.size, float(reads.stride)) == (size, stride)


def test_resnet50_has_the_published_field_with_the_published_strides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """483 is of TF-Slim's resnet_v1_50, whose blocks have their stride in the last unit.

    torchvision's have it in the first, where positions are closer together: 427.
    """
    leave_weights_undrawn(monkeypatch)
    assert field_at("torchvision:resnet50", "layer4").size == 427
    model: Any = load("torchvision:resnet50")
    for stage, after in (("layer2", "layer1"), ("layer3", "layer2"), ("layer4", "layer3")):
        first, last = model.get_submodule(stage)[0], model.get_submodule(after)[-1]
        first.conv2.stride = first.downsample[0].stride = (1, 1)
        last.conv2.stride, last.downsample = (2, 2), nn.MaxPool2d(1, 2)
    graph = capture(model, [1, 3, 224, 224])
    last_add = [each for each in graph.operations if each.function == "add_"][-1]
    (reads, _) = receptive_fields(graph).of(last_add.outputs[0])
    assert isinstance(reads, Along)
    assert (reads.size, float(reads.stride)) == (483, 32)


def test_branches_of_different_strides_are_noted() -> None:
    x = torch.ones(1, 2, 40, 40, dtype=torch.float64)
    found = receptive_fields(capture(Network(AT_MOST["branches of other strides"]), x))
    assert found.notes == ("add joins branches of strides 1 and 2: its field covers both",)
    assert not receptive_fields(capture(Network(EXACT["skip"]), x)).notes


@pytest.mark.parametrize(
    "function",
    [
        lambda x: conv(x * x.mean((2, 3), keepdim=True), 3),
        lambda x: x.flatten(2) @ x.new_ones(1600, 10),
        lambda x: F.scaled_dot_product_attention(*[x.flatten(2).transpose(1, 2)] * 3),
        F.instance_norm,
        lambda x: F.layer_norm(x, [2, 40, 40]),
        lambda x: x.flip(2).roll(1, 3),
        lambda x: torch.fft.rfft2(x).real,
        lambda x: F.softmax(x.flatten(2), -1),
        lambda x: F.conv2d(x, x.mean((2, 3), keepdim=True).expand(1, 2, 3, 3)),
        lambda x: torch.max(x.new_ones(1), x.mean((2, 3), keepdim=True)),
        lambda x: x.new_ones(1, 2).masked_fill(x.amax((2, 3)) > 0, 2.0),
        lambda x: F.linear(x.new_ones(4, 2), x.amax((2, 3))),
        lambda x: torch.addmm(x.sum((2, 3)), x.new_ones(1, 2), x.new_ones(2, 2)),
    ],
)
def test_what_mixes_all_positions_reads_the_whole_input(
    function: Callable[[Tensor], Tensor],
) -> None:
    fields, _ = analysed(function)
    assert fields == (WHOLE, WHOLE)


def test_what_is_made_of_parameters_reads_nothing() -> None:
    fields, _ = analysed(lambda x: x.new_ones(3) * 2)
    assert fields == (None, None)
