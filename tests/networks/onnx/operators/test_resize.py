"""Resize: nn.Upsample where it computes the same as the general function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from glassconv.networks.onnx.operators.resize import resized
from networks.onnx.one_node import one_node

LAYERS: list[dict[str, Any]] = [
    {"mode": "nearest", "coordinates": "asymmetric", "rounding": "floor"},
    {"mode": "linear", "coordinates": "half_pixel", "rounding": "floor"},
    {"mode": "linear", "coordinates": "align_corners", "rounding": "floor"},
]


def network_of(folder: Path, scales: list[float], options: dict[str, Any]) -> nn.Module:
    weights = {"": torch.empty(0), "scales": torch.tensor(scales)}
    return one_node(
        folder,
        "Resize",
        weights,
        mode=options["mode"],
        coordinate_transformation_mode=options["coordinates"],
        nearest_mode=options["rounding"],
    )


@pytest.mark.parametrize("options", LAYERS, ids=str)
@pytest.mark.parametrize("scale", [1, 2, 3, 5, 7, 11, 13])
def test_the_layer_computes_what_the_function_does(
    options: dict[str, Any], scale: int, tmp_path: Path
) -> None:
    scales = [1.0, 1.0, 2.0, float(scale)]
    network = network_of(tmp_path, scales, options)
    assert any(isinstance(each, nn.Upsample) for each in network.modules())
    x = torch.randint(0, 256, (1, 2, 3, 5)).float()
    expected = resized(x.double(), None, scales, **options)
    # A weight is rounded at most three times, a coordinate of up to 5 twice; a sum has four terms.
    bound = 256 * (3 + 2 * 5 + 4) * 2.0**-24
    assert (network(x) - expected).abs().max() <= (0 if options["mode"] == "nearest" else bound)


OTHER = [[1.0, 1, 1.5, 2], [1.0, 2, 2, 2], [1.0, 1, 0.5, 0.5], [1.0, 1, 1, 41]]


@pytest.mark.parametrize("scales", OTHER, ids=str)
def test_other_scales_are_the_function(scales: list[float], tmp_path: Path) -> None:
    """In float32 41 times 1/41 is below 1, so that nn.Upsample repeats by 42 once."""
    network = network_of(tmp_path, scales, LAYERS[0])
    assert not any(isinstance(each, nn.Upsample) for each in network.modules())
    shape = (2, 2, 4, 6)
    assert network(torch.zeros(shape)).shape == tuple(
        int(n * scale) for n, scale in zip(shape, scales, strict=True)
    )
