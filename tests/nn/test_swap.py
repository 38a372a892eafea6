"""swap changes the class of PyTorch's layers and nothing else; unswap undoes it."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

import glassconv
from glassconv.errors import ArgumentTypeError, UnknownNameError
from glassconv.nn import swap, unswap
from glassconv.nn.layer import Layer
from glassconv.reports.swap import SwappedLayer

INPLACE = pytest.mark.parametrize("inplace", [False, True])


class Block(nn.Module):
    """Two convolutions and a shortcut, as in a residual network."""

    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            if stride > 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)) + shortcut)
        return x


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block(8, 8), Block(8, 8))
        self.layer2 = nn.Sequential(Block(8, 16, 2), Block(16, 16))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.bn1(self.conv1(x)).relu()))
        x = self.fc(x.mean((2, 3)))
        return x


class Encoder(nn.Module):
    """Layers in a ModuleList and a ModuleDict, one of them used twice, as in transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict({"patches": nn.Conv2d(3, 4, 4, 4)})
        self.layer: Any = nn.ModuleList(
            nn.ModuleDict({"mix": nn.Conv1d(4, 4, 3, padding=1, groups=2)}) for _ in range(2)
        )
        self.layer.append(self.layer[0])
        self.head = nn.LazyConvTranspose1d(2, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embeddings["patches"](x).flatten(2)
        for each in self.layer:
            x = each["mix"](x).relu()
        x = self.head(x)
        return x


MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet": ResNet,
    "encoder": Encoder,
    "conv": partial(nn.Conv2d, 3, 4, 3),
    "lazy": partial(nn.LazyConv2d, 4, 3),
}
MODEL = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def made(make: Callable[[], nn.Module]) -> Any:
    """Return a model in float64, whose layers are computed by kernels and by PyTorch alike."""
    torch.manual_seed(0)
    return make().double()


def picture() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 3, 16, 16, dtype=torch.float64)


def is_torchs(model: nn.Module) -> bool:
    return not any(isinstance(module, Layer) for module in model.modules())


def is_ours(model: nn.Module) -> bool:
    convolutions = [m for m in model.modules() if isinstance(m, nn.modules.conv._ConvNd)]
    return all(isinstance(module, Layer) for module in convolutions) and bool(convolutions)


# -- what is swapped ----------------------------------------------------------------------------


@MODEL
@INPLACE
def test_every_layer_is_swapped_and_back(make: Callable[[], nn.Module], inplace: bool) -> None:
    model = made(make)
    written = repr(model)
    report = swap(model, inplace=inplace)
    assert report.kept == ()
    assert (report.model is model) == inplace
    assert is_ours(report.model)
    assert is_torchs(model) != inplace
    assert repr(report.model) == written
    back = unswap(report.model, inplace=inplace)
    assert is_torchs(back.model)
    assert (back.model is model) == inplace
    assert [layer.names for layer in back.swapped] == [layer.names for layer in report.swapped]
    assert repr(back.model) == written


@MODEL
@INPLACE
def test_outputs_and_gradients_are_the_same(make: Callable[[], nn.Module], inplace: bool) -> None:
    """By kernels, so float64's last bits may differ."""
    model, reference = made(make), made(make)
    for each in (model, reference):
        torch.manual_seed(2)
        each(picture())  # materializes lazy layers
    swapped = swap(model, inplace=inplace).model
    for each in (swapped, reference):
        each(picture()).square().sum().backward()
    for ours, theirs in zip(swapped.parameters(), reference.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)
    swapped.eval(), reference.eval()
    with torch.no_grad():
        torch.testing.assert_close(swapped(picture()), reference(picture()))


@MODEL
@INPLACE
def test_parameters_and_buffers_are_the_same_objects(
    make: Callable[[], nn.Module], inplace: bool
) -> None:
    model = made(make)
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    swapped = swap(model, inplace=inplace).model
    for name, parameter in swapped.named_parameters():
        assert parameter is parameters[name]
    for name, buffer in swapped.named_buffers():
        assert buffer is buffers[name]
    assert len(dict(swapped.named_parameters())) == len(parameters)


def test_an_optimizer_of_the_model_trains_its_copy() -> None:
    model, reference = made(ResNet), made(ResNet)
    swapped = swap(model).model
    for trained, optimized in ((swapped, model), (reference, reference)):
        optimizer = torch.optim.SGD(optimized.parameters(), 0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            trained(picture()).square().sum().backward()
            optimizer.step()
    for name, tensor in reference.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
        assert torch.equal(tensor, swapped.state_dict()[name])


def test_a_shared_layer_stays_shared_and_is_reported_once() -> None:
    report = swap(made(Encoder))
    layers = report.model.layer
    assert layers[0]["mix"] is layers[2]["mix"]
    assert layers[0]["mix"] is not layers[1]["mix"]
    assert report.swapped[1] == SwappedLayer(
        ("layer.0.mix", "layer.2.mix"), "torch.nn.modules.conv.Conv1d",
        "glassconv.nn.convolution.Conv1d",
    )  # fmt: skip
    assert "layer.0.mix = layer.2.mix" in str(report)


def test_tied_weights_stay_tied() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3))
    model[1].weight = model[0].weight
    swapped = swap(model).model
    assert swapped[0].weight is swapped[1].weight is model[0].weight


@INPLACE
def test_hooks_modes_and_attributes_stay(inplace: bool) -> None:
    model: Any = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout())
    seen: list[Any] = []
    model[0].register_forward_hook(lambda layer, _, output: seen.append(type(layer)))
    model[0].register_forward_pre_hook(lambda layer, inputs: (inputs[0] + 1,))
    model[0].register_full_backward_hook(lambda *_: seen.append("backward"))
    model[0].register_buffer("mean", torch.ones(3))
    model[0].name = "stem"
    model[0].weight.requires_grad_(False)
    model.eval()
    expected = model(torch.ones(1, 3, 5, 5))
    seen.clear()
    swapped = swap(model, inplace=inplace).model
    output = swapped(torch.ones(1, 3, 5, 5, requires_grad=True))
    torch.testing.assert_close(output, expected)
    output.sum().backward()
    assert seen == [glassconv.nn.Conv2d, "backward"]
    layer: Any = swapped[0]
    assert not layer.training
    assert layer.name == "stem"
    assert torch.equal(layer.mean, torch.ones(3))
    assert not layer.weight.requires_grad


@INPLACE
@pytest.mark.parametrize(
    "change",
    [
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        partial(prune.l1_unstructured, name="weight", amount=0.5),
        partial(prune.random_structured, name="weight", amount=1, dim=0),
    ],
)
def test_parametrized_and_pruned_layers_are_swapped(
    change: Callable[[nn.Module], nn.Module], inplace: bool
) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).double().eval()
    change(model[0])
    before = type(model[0])
    expected = model(picture())
    report = swap(model, inplace=inplace)
    assert [layer.names for layer in report.swapped] == [("0",)]
    assert (type(model[0]) is before) != inplace
    assert isinstance(report.model[0], glassconv.nn.Conv2d)
    torch.testing.assert_close(report.model(picture()), expected, rtol=1e-10, atol=1e-12)
    assert list(report.model.state_dict()) == list(model.state_dict())
    back = unswap(report.model, inplace=inplace).model
    assert is_torchs(back)
    assert torch.equal(back(picture()), expected)


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_swapped_parametrized_layer_is_copied(norm: Callable[[nn.Module], nn.Module]) -> None:
    swapped = swap(norm(nn.Conv2d(3, 4, 3)).double().eval()).model
    copied = copy.deepcopy(swapped)
    assert isinstance(copied, glassconv.nn.Conv2d)
    assert torch.equal(copied(picture()), swapped(picture()))


def test_a_swapped_parametrization_is_removed_as_any() -> None:
    model: Any = nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 3)))
    expected = model(torch.ones(1, 3, 5, 5))
    swapped: Any = swap(model).model
    remove_parametrizations(swapped[0], "weight")
    assert type(swapped[0]) is glassconv.nn.Conv2d
    assert is_parametrized(model[0])
    for each in (model, swapped):
        torch.testing.assert_close(each(torch.ones(1, 3, 5, 5)), expected)


@INPLACE
def test_a_lazy_layer_gets_its_parameters_after_the_swap(inplace: bool) -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyConv2d(5, 3))
    swapped: Any = swap(model, inplace=inplace).model
    assert type(swapped[0]) is glassconv.nn.LazyConv2d
    for each in (swapped, model):
        assert each(torch.ones(1, 3, 9, 9)).shape == (1, 5, 5, 5)
    assert type(swapped[0]) is glassconv.nn.Conv2d
    assert swapped[0].in_channels == 3
    assert swapped[0].weight is model[0].weight
    assert isinstance(model[0], Layer) == inplace


def test_a_swapped_model_is_pickled() -> None:
    swapped = swap(made(ResNet)).model.eval()
    loaded = pickle.loads(pickle.dumps(swapped))
    assert is_ours(loaded)
    assert torch.equal(loaded(picture()), swapped(picture()))


def test_an_accuracy_is_that_of_every_layer() -> None:
    swapped = swap(made(ResNet), accuracy="strict").model
    assert swapped.layer1[0].conv1.accuracy == "strict"
    assert "accuracy=strict" in repr(swapped)
    assert "accuracy" not in repr(unswap(swapped).model)


# -- the report, and refusals -------------------------------------------------------------------


def test_reports_compare_by_what_was_done() -> None:
    assert swap(made(ResNet)) == swap(made(ResNet))
    assert swap(made(ResNet)) != swap(made(Encoder))


def test_the_report_lists_layers_by_class() -> None:
    text = str(swap(made(Encoder)))
    assert text.splitlines() == [
        "swapped: 4 layers",
        "  Conv2d               embeddings.patches",
        "  Conv1d               layer.0.mix = layer.2.mix, layer.1.mix",
        "  LazyConvTranspose1d  head",
    ]
    assert str(swap(nn.ReLU())) == "swapped: no layers"
    assert str(swap(nn.Conv2d(3, 3, 3))).endswith("Conv2d  the model itself")


@pytest.mark.parametrize("change", [swap, unswap])
def test_what_is_no_module_is_refused(change: Callable[..., Any]) -> None:
    with pytest.raises(ArgumentTypeError, match=r"swap: the model must be a torch\.nn\.Module"):
        change([nn.Conv2d(3, 3, 3)])


def test_an_unknown_accuracy_changes_nothing() -> None:
    model = made(ResNet)
    with pytest.raises(UnknownNameError, match="unknown accuracy 'exact'"):
        swap(model, inplace=True, accuracy="exact")
    assert is_torchs(model)


def test_a_model_that_cannot_be_copied_is_swapped_in_place() -> None:
    model: Any = nn.Sequential(nn.Conv2d(3, 3, 3))
    model.lock = threading.Lock()
    with pytest.raises(TypeError, match="cannot pickle") as refused:
        swap(model)
    assert refused.value.__notes__ == ["the model cannot be copied; inplace=True needs no copy"]
    assert is_torchs(model)
    assert is_ours(swap(model, inplace=True).model)
