"""ConvTranspose: a layer where the weight is in the file, and what is cut from its output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from networks.onnx.one_node import one_node

X = torch.tensor([[[1.0, 2, 3]]])
W = torch.tensor([[[1.0, 10, 100]]])
FULL = [1, 10, 102, 20, 203, 30, 300]
IN_FILE = pytest.mark.parametrize("in_file", [True, False])


def output_of(
    folder: Path, in_file: bool, bias: Tensor | None = None, **attributes: Any
) -> list[float]:
    weights = {"w": W} if bias is None else {"w": W, "b": bias}
    network = one_node(folder, "ConvTranspose", weights, in_file=in_file, strides=[2], **attributes)
    assert any(isinstance(each, nn.ConvTranspose1d) for each in network.modules()) == in_file
    with torch.no_grad():
        output: Tensor = network(X) if in_file else network(X, *weights.values())
    listed: list[float] = output.flatten().tolist()
    return listed


@IN_FILE
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, FULL),
        ({"auto_pad": "VALID"}, FULL),
        ({"auto_pad": "SAME_UPPER"}, FULL[:-1]),
        ({"auto_pad": "SAME_LOWER"}, FULL[1:]),
        ({"pads": [1, 1]}, FULL[1:-1]),
        ({"pads": [2, 0]}, FULL[2:]),
        ({"output_padding": [1]}, [*FULL, 0]),
        ({"output_padding": [1], "pads": [0, 2]}, FULL[:-1]),
        ({"output_shape": [6]}, FULL[1:]),
        ({"output_shape": [6], "auto_pad": "SAME_UPPER"}, FULL[:-1]),
        ({"output_shape": [5]}, FULL[1:-1]),
        ({"output_shape": [8]}, [*FULL, 0]),
    ],
    ids=str,
)
def test_what_is_cut(
    in_file: bool, attributes: dict[str, Any], expected: list[float], tmp_path: Path
) -> None:
    assert output_of(tmp_path, in_file, **attributes) == expected


@IN_FILE
def test_what_no_input_reaches_is_the_bias(in_file: bool, tmp_path: Path) -> None:
    output = output_of(tmp_path, in_file, bias=torch.tensor([0.5]), output_shape=[8])
    assert output == [*(each + 0.5 for each in FULL), 0.5]


def test_groups(tmp_path: Path) -> None:
    network = one_node(tmp_path, "ConvTranspose", {"w": torch.ones(4, 3, 2, 2)}, group=2)
    [layer] = [each for each in network.modules() if isinstance(each, nn.ConvTranspose2d)]
    assert (layer.in_channels, layer.out_channels, layer.groups) == (4, 6, 2)
