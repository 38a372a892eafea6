"""A model's layers as the strip of the page: their text, their numbers, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from glassconv.errors import ArgumentError, ConvError, ShapeError, UnsupportedError
from glassconv.explore.reports import of_layer
from glassconv.explore.tensors import from_document


def test_a_sequential_is_a_strip_with_its_own_weights() -> None:
    first, second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3, stride=2, bias=False)
    model = nn.Sequential(
        nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2)),
        second,
        nn.AvgPool2d((3, 2), stride=1, padding=1),
    )
    explored = of_layer(model, torch.randn(2, 3, 16, 16))
    document = json.loads(explored.to_json())
    assert document["problem"] == "1x3x16x16 8@3x3 s1 p1"
    assert [(each["name"], each["kind"], each["text"]) for each in document["layers"]] == [
        ("0.0", "conv", "1x3x16x16 8@3x3 s1 p1"),
        ("0.1", "relu", "relu"),
        ("0.2", "maxpool", "maxpool 2"),
        ("1", "conv", "1x8x8x8 4@3x3 s2 p0 nobias"),
        ("2", "avgpool", "avgpool 3x2 s1 p1"),
    ]
    assert "bias" not in document["layers"][3]
    for place, layer in ((0, first), (3, second)):
        weight = from_document(document["layers"][place]["weight"], "weight")
        np.testing.assert_array_equal(weight, layer.weight.detach().numpy())


def test_a_sequence_is_an_image_of_one_row() -> None:
    model = nn.Sequential(nn.Conv1d(2, 3, 5), nn.MaxPool1d(2, padding=1), nn.Conv1d(3, 1, 3))
    layers = json.loads(of_layer(model, [1, 2, 20]).to_json())["layers"]
    assert [each["text"] for each in layers] == [
        "1x2x1x20 3@1x5 s1 p0",
        "maxpool 1x2 p0x1",
        "1x3x1x9 1@1x3 s1 p0",
    ]


def test_a_sequential_of_one_layer_is_that_layer() -> None:
    assert of_layer(nn.Sequential(nn.Conv2d(1, 1, 3)), [1, 1, 5, 5]).layers == ()


@pytest.mark.parametrize(
    ("layers", "kind", "cause"),
    [
        ((), UnsupportedError, "first layer must be a convolution"),
        ((nn.ReLU(), nn.Conv2d(1, 1, 3)), UnsupportedError, "first layer must be a convolution"),
        ((nn.Conv2d(1, 2, 3), nn.Conv2d(3, 1, 3)), ShapeError, "reads 3 channels"),
        (
            (nn.Conv2d(1, 2, 3), nn.MaxPool2d(9)),
            ArgumentError,
            "does not accept an input .1, 2, 6, 6.",
        ),
        ((nn.Conv2d(1, 2, 3), nn.Sigmoid()), UnsupportedError, "layer 1, Sigmoid.., is not a"),
        ((nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, ceil_mode=True)), UnsupportedError, "ceil_mode"),
        ((nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, return_indices=True)), UnsupportedError, "indices"),
        (
            (nn.Conv2d(1, 2, 3), nn.AvgPool2d(2, padding=1, count_include_pad=False)),
            UnsupportedError,
            "count_include_pad",
        ),
        (
            (nn.Conv2d(1, 2, 3), nn.AvgPool2d(2, divisor_override=3)),
            UnsupportedError,
            "divisor_override",
        ),
    ],
)
def test_what_the_page_does_not_compute_is_refused_with_the_model(
    layers: tuple[nn.Module, ...], kind: type[ConvError], cause: str
) -> None:
    with pytest.raises(kind, match=cause) as refused:
        of_layer(nn.Sequential(*layers), [1, 1, 8, 8])
    assert "show(Sequential" in str(refused.value)
