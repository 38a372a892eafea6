"""A network is explained with the shapes, counts and fields that PyTorch gives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import glassconv
import support.torchvision_schemas  # noqa: F401  before torchvision
from glassconv import explain
from glassconv.errors import ArgumentError, ConvError, NetworkError, UnsupportedError
from glassconv.explanation.network import NetworkReport, explain_network
from glassconv.networks.load import load
from support.undrawn import leave_weights_undrawn

SCHEMA = Path(glassconv.__file__).parent / "reports" / "network.schema.json"


class Residual(nn.Module):
    """A block with a skip, a branch and a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.gate = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.conv(x)) + x)
        return y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))


NETWORKS: dict[str, tuple[nn.Module, list[int]]] = {
    "1-D": (nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.Tanh(), nn.AvgPool1d(2)), [1, 2, 9]),
    "2-D": (
        nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Identity(),
            nn.Sequential(nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Conv2d(8, 4, 3, groups=2)),
            nn.Flatten(), nn.Linear(96, 2),
        ),
        [2, 3, 21, 30],
    ),
    "3-D": (nn.Sequential(nn.Conv3d(1, 2, 3), nn.GELU(), nn.MaxPool3d(2)), [1, 1, 8, 8, 9]),
    "transposed": (
        nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ConvTranspose2d(4, 2, 3, 2, output_padding=1)),
        [1, 3, 9, 9],
    ),
    "reflect": (nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), [1, 1, 5, 6]),
    "residual": (Residual(), [1, 4, 12, 12]),
    "float64": (nn.Sequential(nn.Conv2d(1, 1, 3)).double(), [1, 1, 5, 5]),
}  # fmt: skip
NETWORK = pytest.mark.parametrize(("model", "shape"), NETWORKS.values(), ids=NETWORKS)


def explained(model: nn.Module, shape: list[int]) -> NetworkReport:
    report = explain(model, shape)
    assert isinstance(report, NetworkReport)
    return report


@NETWORK
def test_shapes_and_counts_are_pytorchs(model: nn.Module, shape: list[int]) -> None:
    facts = explained(model, shape).facts
    x = torch.zeros(shape, dtype=next(model.parameters()).dtype)
    with FlopCounterMode(display=False) as counter:
        y = model.eval()(x)
    counts = counter.get_flop_counts()["Global"]
    assert facts.output_shapes == (tuple(y.shape),)
    assert facts.parameters == sum(each.numel() for each in model.parameters())
    assert 2 * facts.macs == counts[torch.ops.aten.convolution]
    assert 2 * (facts.macs + facts.other_macs) == counter.get_total_flops()
    assert facts.macs == facts.counted_macs == sum(each.macs for each in facts.convolutions)


@pytest.mark.parametrize(
    ("source", "macs", "parameters"),
    [
        ("torchvision:resnet50", 4_089_184_256, 25_557_032),
        ("torchvision:mobilenet_v2", 300_774_272, 3_504_872),
        ("timm:test_efficientnet", None, None),
        ("timm:test_vit3", None, None),
    ],
)
def test_known_networks_have_their_counts(
    source: str, macs: int | None, parameters: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_weights_undrawn(monkeypatch)
    model = load(source)
    size = getattr(model, "default_cfg", {}).get("input_size", (3, 224, 224))
    facts = explain_network(model, [1, *size]).facts
    assert facts.macs == facts.counted_macs
    assert parameters in (None, facts.parameters)
    assert macs in (None, facts.macs + facts.other_macs)


@NETWORK
def test_json_comes_back_equal_and_follows_the_schema(model: nn.Module, shape: list[int]) -> None:
    report = explained(model, shape)
    assert NetworkReport.from_json(report.to_json()) == report
    jsonschema.validate(json.loads(report.to_json()), json.loads(SCHEMA.read_text()))


def test_times_are_in_json_where_they_were_measured() -> None:
    model, shape = NETWORKS["residual"]
    report = explain_network(model, shape, timed=True)
    assert all(each.seconds for each in report.facts.operations)
    jsonschema.validate(json.loads(report.to_json()), json.loads(SCHEMA.read_text()))
    assert NetworkReport.from_json(report.to_json()) == report


def test_a_block_says_what_it_does() -> None:
    facts = explained(*NETWORKS["residual"]).facts
    conv, gate = facts.convolutions
    assert (conv.name, conv.weight, conv.macs) == ("conv", "conv.weight", 4 * 36 * 144)
    assert [(axis and axis.size, axis and axis.offset) for axis in conv.receptive_field] == [
        (3, -1.0)
    ] * 2
    assert gate.receptive_field == (None, None)
    assert [(each.name, each.into) for each in facts.fusions] == [
        ("norm", "conv"), ("add", "conv"), ("relu", "conv"), ("sigmoid", "gate"),
    ]  # fmt: skip
    assert conv.forward_bytes == 2 * 4 * 144 * 4
    assert conv.backward_bytes == 3 * 4 * 144 * 4
    (add,) = [each for each in facts.operations if each.name == "add"]
    assert add.inputs == (1, -1)


def test_a_tile_with_its_halo_has_the_right_outputs() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, 2), nn.Conv2d(1, 1, 5), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3)
    ).double()
    (field, _) = explained(model, [1, 1, 96, 96]).facts.convolutions[-1].receptive_field
    assert field is not None
    x = torch.randn(1, 1, 96, 96, dtype=torch.float64)
    first, last = 5, 9  # outputs of the tile
    start = first * int(field.stride) - field.halo_before
    end = last * int(field.stride) + field.halo_after
    with torch.no_grad():
        tile, whole = model(x[..., start:end, start:end]), model(x)
    torch.testing.assert_close(tile, whole[..., first:last, first:last])


def test_padding_is_part_of_the_halo() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 3, padding=1))
    (field, _) = explained(model, [1, 1, 96, 96]).facts.convolutions[-1].receptive_field
    assert field is not None
    assert (field.size, field.stride, field.offset) == (7, 2.0, -3.0)
    assert (field.halo_before, field.halo_after) == (3, 2)


def test_an_array_and_one_image_without_a_batch_are_accepted() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    expected = explained(model, [1, 1, 8, 8])
    for input in ([1, 8, 8], np.zeros((1, 8, 8), np.float32), torch.zeros(1, 1, 8, 8)):
        assert explain(model, input) == expected


def test_padding_of_another_mode_is_an_operation_of_its_own() -> None:
    layer = nn.Conv2d(2, 3, 3, padding=(1, 0), padding_mode="replicate")
    facts = explained(layer, [1, 2, 6, 6]).facts
    assert [each.function for each in facts.operations] == ["pad", "conv2d"]
    assert facts.convolutions[0].shorthand == "1x2x8x6 3@3x3 s1 p0"
    fields = facts.convolutions[0].receptive_field
    assert [axis and axis.offset for axis in fields] == [-1.0, 0.0]


def test_a_network_that_is_run_says_so() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 1, 1)

        def forward(self, x: Tensor) -> Any:
            return self.conv(x) if x.sum() > 0 else x

    report = explained(Branching(), [1, 1, 4])
    assert report.facts.notes[0].startswith("It was run with numbers, not with shapes alone: Data")
    assert "DataDependent" in str(report)


@pytest.mark.parametrize(
    ("model", "shape", "error", "cause"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 9)), [1, 1, 6, 6], NetworkError, "Kernel size"),
        (nn.Sequential(nn.ReLU()), [1, 2], UnsupportedError, "it calls no convolution"),
        (nn.Sequential(), [1, 1, 3, 3], UnsupportedError, "it calls no convolution"),
        (
            nn.Conv2d(1, 1, 3, padding=2, padding_mode="reflect"),
            [1, 1, 2, 9],
            NetworkError,
            "[Pp]adding size",
        ),
        (nn.Sequential(nn.LazyConv1d(1, 1)), [1, 1, 3], NetworkError, "lazy"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    model: nn.Module, shape: list[int], error: type[ConvError], cause: str
) -> None:
    with pytest.raises(error, match=cause):
        explain(model, shape)


def test_a_model_needs_an_input() -> None:
    with pytest.raises(ArgumentError, match="give its shape"):
        explain(nn.Sequential(nn.Conv2d(1, 2, 3)))
