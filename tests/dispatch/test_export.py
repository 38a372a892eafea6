"""What is saved has PyTorch's convolution: torch.export, torch.jit.trace, both ONNX exporters."""

# mypy: allow-untyped-calls
from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.export import Dim
from torch.testing import assert_close

import glassconv
from glassconv.errors import UnknownNameError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.* is deprecated:DeprecationWarning",
    "ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning",
    "ignore:The feature will be removed:DeprecationWarning",
    "ignore:Constant folding:UserWarning",
    "ignore:.*LeafSpec:FutureWarning",
)
INPUT, OTHER = torch.randn(2, 4, 9, 10), torch.randn(3, 4, 7, 5)
SIZES = {0: Dim("n", max=64), 2: Dim("height", min=3, max=512), 3: Dim("width", min=3, max=512)}


class Layer(torch.nn.Module):
    """A convolution, as many arguments as there are, and another one as the residual."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
        self.bias = torch.nn.Parameter(torch.randn(8))

    def forward(self, x: Tensor) -> Tensor:
        first = glassconv.conv2d(x, self.weight, None, padding=((1, 1), (2, 0)))
        return glassconv.conv2d(
            x, self.weight, self.bias, 1, (1, 1), residual=first, activation="relu", **self.options
        )

    def expected(self, x: Tensor) -> Tensor:
        first = F.conv2d(F.pad(x, (2, 0, 1, 1)), self.weight)
        return F.relu(F.conv2d(x, self.weight, self.bias, padding=1) + first)


NAMED = pytest.mark.parametrize("options", [{}, {"algorithm": "im2col"}], ids=str)


@NAMED
@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_program_of_any_size_is_saved_loaded_and_run(
    options: dict[str, str], strict: bool
) -> None:
    layer = Layer(**options)
    program = torch.export.export(layer, (INPUT,), dynamic_shapes=(SIZES,), strict=strict)
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert not [target for target in targets if "glassconv" in target]
    assert sum("conv2d" in target for target in targets) == 2
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    assert_close(loaded(OTHER), layer.expected(OTHER))


@NAMED
def test_a_traced_module_is_saved_loaded_and_run_for_other_sizes(options: dict[str, str]) -> None:
    layer = Layer(**options)
    traced = torch.jit.trace(layer, (INPUT,))
    assert str(traced.graph).count("aten::_convolution") == 2
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    assert_close(torch.jit.load(file)(OTHER), layer.expected(OTHER))


@pytest.mark.parametrize(
    "options", [{"stride": 2, "output_padding": 1}, {"padding": ((1, 2), (0, 1))}], ids=str
)
def test_a_traced_transposed_convolution(options: dict[str, Any]) -> None:
    weight = torch.randn(4, 3, 3, 3)
    traced = torch.jit.trace(lambda x: glassconv.conv_transpose2d(x, weight, **options), (INPUT,))
    assert_close(traced(OTHER), glassconv.conv_transpose2d(OTHER, weight, **options))


def test_sizes_of_a_trace_may_be_arguments() -> None:
    weight = torch.randn(8, 4, 3, 3)

    def call(convolve: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x: convolve(x, weight, stride=x.shape[0], padding=(x.shape[0], 1))

    ours, theirs = (torch.jit.trace(call(each), (INPUT,)) for each in (glassconv.conv2d, F.conv2d))
    assert_close(ours(OTHER), theirs(OTHER))


def test_an_unknown_name_is_refused_while_tracing() -> None:
    with pytest.raises(UnknownNameError, match="im2row"):
        torch.jit.trace(Layer(algorithm="im2row"), (INPUT,))


@NAMED
def test_the_onnx_exporter_that_traces(options: dict[str, str], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the exporter needs the package onnx")
    reference = pytest.importorskip("onnx.reference")
    layer, file = Layer(**options).eval(), tmp_path / "layer.onnx"
    axes = {"x": {0: "n", 2: "height", 3: "width"}}
    torch.onnx.export(layer, (INPUT,), file, dynamo=False, input_names=["x"], dynamic_axes=axes)
    model = onnx.load(file)
    assert [node.op_type for node in model.graph.node].count("Conv") == 2
    (output,) = reference.ReferenceEvaluator(model).run(None, {"x": OTHER.numpy()})
    assert_close(torch.from_numpy(output), layer.expected(OTHER).detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.thorough
def test_the_onnx_exporter_that_exports() -> None:
    pytest.importorskip("onnxscript", reason="the exporter needs the package onnxscript")
    reference = pytest.importorskip("onnx.reference")
    layer = Layer().eval()
    program = torch.onnx.export(
        layer, (INPUT,), dynamo=True, dynamic_shapes=(SIZES,), verbose=False
    )
    assert program is not None
    model = program.model_proto
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert [node.op_type for node in model.graph.node].count("Conv") == 2
    (output,) = reference.ReferenceEvaluator(model).run(None, {"x": OTHER.numpy()})
    assert_close(torch.from_numpy(output), layer.expected(OTHER).detach(), rtol=1e-4, atol=1e-4)
