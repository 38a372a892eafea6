"""Conv: a layer where the weight is in the file; padding that no layer has is before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError
from networks.onnx.one_node import one_node

X = torch.arange(16.0).reshape(1, 1, 4, 4)
ONES = torch.ones(1, 1, 2, 2)
IN_FILE = pytest.mark.parametrize("in_file", [True, False])


def output_of(folder: Path, x: Tensor, w: Tensor, in_file: bool, **attributes: Any) -> Tensor:
    network = one_node(folder, "Conv", {"w": w}, in_file=in_file, **attributes)
    assert any(isinstance(each, nn.Conv2d) for each in network.modules()) == in_file
    with torch.no_grad():
        output: Tensor = network(x) if in_file else network(x, w)
    return output


@IN_FILE
def test_uneven_pads(in_file: bool, tmp_path: Path) -> None:
    output = output_of(tmp_path, X, ONES, in_file, pads=[1, 0, 0, 2])
    assert output[0, 0, :2].tolist() == [[1, 3, 5, 3, 0], [10, 14, 18, 10, 0]]


@IN_FILE
@pytest.mark.parametrize(
    ("auto_pad", "first_row"),
    [("SAME_UPPER", [10, 14, 18, 10]), ("SAME_LOWER", [0, 1, 3, 5]), ("VALID", [10, 14, 18])],
)
def test_auto_pad(in_file: bool, auto_pad: str, first_row: list[float], tmp_path: Path) -> None:
    output = output_of(tmp_path, X, ONES, in_file, auto_pad=auto_pad)
    assert output[0, 0, 0].tolist() == first_row


@IN_FILE
@pytest.mark.parametrize(("size", "corner"), [(4, 0 + 1 + 4 + 5), (5, 0 + 1 + 5 + 6)])
def test_auto_pad_with_a_stride_follows_the_inputs_size(
    in_file: bool, size: int, corner: float, tmp_path: Path
) -> None:
    """Of 4 elements there is none to add, of 5 one, at the end."""
    x = torch.arange(float(size**2)).reshape(1, 1, size, size)
    output = output_of(tmp_path, x, ONES, in_file, auto_pad="SAME_UPPER", strides=[2, 2])
    assert output.shape[2:] == (-(-size // 2), -(-size // 2))
    assert output[0, 0, 0, 0] == corner


def test_symmetric_padding_is_the_layers_own(tmp_path: Path) -> None:
    attributes: dict[str, Any] = {
        "pads": [1, 2, 1, 2],
        "strides": [2, 1],
        "dilations": [1, 3],
        "group": 2,
    }
    network = one_node(tmp_path, "Conv", {"w": torch.ones(4, 3, 3, 3)}, **attributes)
    [layer] = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    assert (layer.in_channels, layer.out_channels, layer.groups) == (6, 4, 2)
    assert (layer.padding, layer.stride, layer.dilation) == ((1, 2), (2, 1), (1, 3))
    assert [node.op for node in network.graph.nodes] == ["placeholder", "call_module", "output"]


def test_the_layer_has_the_nodes_name(tmp_path: Path) -> None:
    network = one_node(tmp_path, "Conv", {"w": ONES})
    assert [name for name, _ in network.named_children()] == ["Conv_y"]
    assert set(network.state_dict()) == {"Conv_y.weight"}


def test_a_bias_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        NetworkError, match=r"node 'Conv_y' \(Conv\): its bias must have the shape \[1\]"
    ):
        one_node(tmp_path, "Conv", {"w": ONES, "b": torch.ones(2)})
