"""Networks that PyTorch's own exporters write are read back as they were."""

# mypy: allow-untyped-calls
from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data
from torch import Tensor, fx, nn
from torch.testing import assert_close

from glassconv.networks.onnx import from_onnx

pytestmark = pytest.mark.filterwarnings(
    "ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning",
    "ignore:The feature will be removed:DeprecationWarning",
    "ignore:Constant folding:UserWarning",
    "ignore:.*torch.jit.* is deprecated:DeprecationWarning",
    "ignore:.*LeafSpec:FutureWarning",
    "ignore:Converting a tensor to a Python boolean:torch.jit.TracerWarning",
)
INPUT, OTHER = torch.randn(2, 3, 24, 24), torch.randn(3, 3, 24, 24)
DYNAMIC = {0: torch.export.Dim("batch", min=2, max=64)}


class Shuffled(nn.Module):
    """A convolutional network that computes with sizes: channels shuffled, a pyramid joined."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, 1, padding=2, dilation=2, groups=8)
        self.up = nn.ConvTranspose2d(8, 4, 3, 2, 1, output_padding=1)
        self.pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Hardsigmoid())
        self.slope, self.head = nn.PReLU(8), nn.Linear(4, 5)
        self.layer_norm = nn.LayerNorm(48 * 48)

    def forward(self, x: Tensor) -> Tensor:
        x = self.slope(self.norm(self.stem(x)))
        batch, channels, height, width = x.shape
        shuffled = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(x.shape)
        x = shuffled * self.gate(x) + F.gelu(self.depthwise(x))
        small = F.max_pool2d(F.pad(self.pool(x), (1, 0, 0, 1)), 2, 2)
        up = F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)
        first, second = torch.cat([x, up], 1).chunk(2, 1)
        joined = F.interpolate(self.up(first + F.silu(second)), scale_factor=2, mode="nearest")
        output: Tensor = self.head(self.layer_norm(joined.flatten(2)).amax(-1)).softmax(-1)
        return output


@pytest.fixture
def model() -> nn.Module:
    """Return a network whose statistics are no trivial ones."""
    model = Shuffled()
    for _ in range(2):
        model(INPUT)
    return model.eval()


def exported(model: nn.Module, folder: Path, *, legacy: bool) -> Path:
    file = folder / "model.onnx"
    if legacy:
        names: dict[str, Any] = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
        torch.onnx.export(model, (INPUT,), file, dynamo=False, opset_version=17, **names)
    else:
        shapes: dict[str, Any] = {"dynamic_shapes": (DYNAMIC,), "verbose": False}
        torch.onnx.export(model, (INPUT,), file, dynamo=True, external_data=False, **shapes)
    return file


@pytest.mark.parametrize("legacy", [False, True])
def test_an_exported_network_is_what_it_was(model: nn.Module, legacy: bool, tmp_path: Path) -> None:
    network = from_onnx(exported(model, tmp_path, legacy=legacy))
    for x in (INPUT, OTHER):
        with torch.no_grad():
            assert_close(network(x), model(x))  # PyTorch's tolerances for two of its own runs
    kinds = [type(layer) for layer in network.modules()]
    assert kinds.count(nn.Conv2d) == 3
    assert kinds.count(nn.ConvTranspose2d) == 1


def test_what_is_read_can_be_exported_again(model: nn.Module, tmp_path: Path) -> None:
    """Shapes that the file computes are sizes for torch.export, not numbers in tensors."""
    network = from_onnx(exported(model, tmp_path, legacy=True))
    program = torch.export.export(network, (INPUT,), dynamic_shapes=(DYNAMIC,))
    assert_close(program.module()(OTHER), model(OTHER))


def test_gradients_pass_and_weights_are_parameters(model: nn.Module, tmp_path: Path) -> None:
    network = from_onnx(exported(model, tmp_path, legacy=True))
    network(INPUT).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert not network.training


def test_weights_outside_the_file_are_read(model: nn.Module, tmp_path: Path) -> None:
    whole = onnx.load(exported(model, tmp_path, legacy=True))
    convert_model_to_external_data(whole, location="weights.bin", size_threshold=0)
    onnx.save(whole, tmp_path / "outside.onnx")
    assert (tmp_path / "weights.bin").stat().st_size > 0
    network = from_onnx(tmp_path / "outside.onnx")
    with torch.no_grad():
        assert_close(network(INPUT), model(INPUT))


def test_arithmetic_of_sizes_rounds_as_tensors_do(tmp_path: Path) -> None:
    """(height − 9) · 3 / 2, as a list and as a number, with a height below and above 9."""
    integers = {"i": 2, "nine": 9, "three": [3], "two": [2], "axes": [0], "end": [3]}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "two", "end", "axes"], ["heights"]),
        helper.make_node("Gather", ["shape", "i"], ["height"]),
        helper.make_node("Sub", ["height", "nine"], ["less"]),
        helper.make_node("Mul", ["less", "three"], ["more"]),
        helper.make_node("Div", ["more", "two"], ["half"]),
        helper.make_node("Squeeze", ["half"], ["number"]),
        helper.make_node("Unsqueeze", ["number", "axes"], ["again"]),
        helper.make_node("Concat", ["again", "heights"], ["y"], axis=0),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, None])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [2])
    weights = [
        numpy_helper.from_array(torch.tensor(each).numpy(), name) for name, each in integers.items()
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "sizes.onnx")
    network = from_onnx(tmp_path / "sizes.onnx")
    assert isinstance(network, fx.GraphModule)
    for height, expected in ((8, -1), (10, 1), (13, 6)):
        assert network(torch.zeros(1, 1, height)).tolist() == [expected, height]
    tensors = [node for node in network.graph.nodes if "as_tensor" in str(node.target)]
    assert len(tensors) == 1  # the output
