"""What follows from the file's weights is computed when it is read, if it is not large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import fx, nn

from glassconv.networks.onnx import from_onnx

WEIGHT = np.array([[[[-128, 127], [0, 64]]]], np.int8)


def network_of(folder: Path, *nodes: NodeProto, **weights: object) -> fx.GraphModule:
    """Return a network from x to y."""
    stored = [numpy_helper.from_array(np.asarray(each), name) for name, each in weights.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, None, None])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([*nodes], "g", [x], [y], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    file = folder / "model.onnx"
    file.write_bytes(model.SerializeToString())
    network = from_onnx(file)
    assert isinstance(network, fx.GraphModule)
    return network


def test_quantised_weights_are_a_layers_float_weights(tmp_path: Path) -> None:
    """A pair around the input computes in floats what it rounds to."""
    scale, zero = np.float32(0.5), np.int8(-3)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
        helper.make_node("DequantizeLinear", ["wq", "s", "z"], ["w"]),
        helper.make_node("Conv", ["xf", "w"], ["y"], name="conv"),
    ]
    network = network_of(tmp_path, *nodes, wq=WEIGHT, s=scale, z=zero)
    layer = network.get_submodule("conv")
    assert isinstance(layer, nn.Conv2d)
    assert layer.weight.tolist() == ((WEIGHT.astype(np.float32) + 3) * 0.5).tolist()
    x = torch.tensor([[[[0.24, 0.26], [1000, -1000]]]])
    rounded = torch.tensor([[[[0, 0.5], [(127 + 3) * 0.5, (-128 + 3) * 0.5]]]])
    assert torch.equal(network(x), layer(rounded))


def test_weights_that_are_shared_stay_one_parameter(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="first"),
        helper.make_node("Conv", ["a", "w"], ["y"], name="second"),
    ]
    network = network_of(tmp_path, *nodes, w=np.ones((1, 1, 2, 2), np.float32))
    assert network.get_parameter("first.weight") is network.get_parameter("second.weight")


@pytest.mark.parametrize("times", [2, 40])
def test_a_weight_that_would_grow_is_left_to_the_network(times: int, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Concat", [f"w{n}", f"w{n}"], [f"w{n + 1}"], axis=0) for n in range(times)
    ]
    conv = helper.make_node("Conv", ["x", f"w{times}"], ["y"])
    network = network_of(tmp_path, *nodes, conv, w0=np.ones((1, 1, 2, 2), np.float32))
    is_layer = any(isinstance(each, nn.Conv2d) for each in network.modules())
    assert is_layer == (times == 2)
    assert sum(parameter.nbytes for parameter in network.parameters()) < 2**20
