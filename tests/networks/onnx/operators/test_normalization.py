"""BatchNormalization: the layer of as many axes as the input has, if that is known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from glassconv.networks.onnx import from_onnx


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ([None, 2], nn.BatchNorm1d),
        ([None, 2, None], nn.BatchNorm1d),
        ([None, 2, 4, None], nn.BatchNorm2d),
        ([None, 2, None, None, None], nn.BatchNorm3d),
        (None, None),
    ],
    ids=str,
)
def test_the_layer_follows_the_number_of_axes(
    shape: list[int | None] | None, kind: type[nn.Module] | None, tmp_path: Path
) -> None:
    names = ["scale", "bias", "mean", "variance"]
    node = helper.make_node("BatchNormalization", ["r", *names], ["y"], epsilon=0.5)
    relu = helper.make_node("Relu", ["x"], ["r"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    values = dict(zip(names, torch.rand(4, 2), strict=True))
    weights = [numpy_helper.from_array(value.numpy(), name) for name, value in values.items()]
    model = helper.make_model(
        helper.make_graph([relu, node], "g", [x], [y], weights),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    file = tmp_path / "model.onnx"
    file.write_bytes(model.SerializeToString())
    network = from_onnx(file)
    found = [type(each) for each in network.children() if not isinstance(each, nn.ReLU)]
    assert found == ([] if kind is None else [kind])
    input = torch.rand([n or 3 for n in shape or [3, 2, 4, 4]])
    scale, bias, mean, variance = (
        value.double().reshape(1, 2, *[1] * (input.ndim - 2)) for value in values.values()
    )
    expected = (input - mean) / (variance + 0.5).sqrt() * scale + bias
    magnitude = (input + mean) / (variance + 0.5).sqrt() * scale + bias
    assert ((network(input) - expected).abs() <= 8 * 2.0**-24 * magnitude).all()
