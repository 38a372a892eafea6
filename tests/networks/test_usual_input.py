"""The input that a network gets where nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from glassconv.errors import ArgumentError
from glassconv.networks.capture import capture
from glassconv.networks.convolutions import convolutions
from glassconv.networks.load import load
from glassconv.networks.usual_input import Preprocessing, usual_preprocessing, usual_shape


def test_a_program_says_what_it_was_recorded_for(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv1d(2, 3, 3)).eval()
    program = torch.export.export(model, (torch.zeros(5, 2, 9),))
    torch.export.save(program, tmp_path / "net.pt2")
    found = load(str(tmp_path / "net.pt2"))
    assert usual_shape(found) == (5, 2, 9)
    (convolution,) = convolutions(capture(found, usual_shape(found)))
    assert str(convolution.problem) == "5x2x9 3@3 s1 p0"
    assert convolution.weight.name == "0.weight"


def test_timms_networks_say_it() -> None:
    assert usual_shape(load("timm:test_resnet")) == (1, 3, 160, 160)


def test_others_are_given_an_image_of_imagenets_size() -> None:
    assert usual_shape(nn.Sequential(nn.ReLU(), nn.Conv2d(4, 8, 3))) == (1, 4, 224, 224)
    assert usual_shape(nn.Linear(2, 2)) == (1, 3, 224, 224)


@pytest.mark.parametrize("layer", [nn.Conv1d(1, 1, 1), nn.Conv3d(1, 1, 1), nn.LazyConv2d(2, 1)])
def test_what_reads_no_image_must_be_given_one(layer: nn.Module) -> None:
    with pytest.raises(ArgumentError, match="--input"):
        usual_shape(nn.Sequential(layer))


def test_preprocessing_is_what_a_network_of_timm_says() -> None:
    model = nn.Conv2d(3, 8, 3)
    assert usual_preprocessing(model) == Preprocessing()
    stated = {"crop_pct": 1.0, "interpolation": "bicubic", "mean": (0.5,) * 3, "std": None}
    model.pretrained_cfg = stated  # type: ignore[assignment]
    assert usual_preprocessing(model) == Preprocessing(1.0, "bicubic", (0.5,) * 3)
