"""A network comes from its name, from code or from a module, always as the same network."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from glassconv.errors import (
    ArgumentTypeError,
    MissingExtraError,
    NetworkError,
    UnknownNameError,
)
from glassconv.networks.load import load

CODE = """
from __future__ import annotations

from dataclasses import dataclass

from torch import nn

import beside

@dataclass
class Width:
    channels: int

def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, Width(beside.CHANNELS).channels, 3), nn.BatchNorm2d(4))

class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 3, 3)
        self.other = self.one

made = nn.Conv2d(3, 4, 3)

def takes(channels: int) -> nn.Module:
    return nn.Conv2d(3, channels, 3)

def fails() -> nn.Module:
    raise LookupError("mine")

def returns() -> int:
    return 3

number = 3
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of the user's own, beside another that it imports."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    (tmp_path / "beside.py").write_text("CHANNELS = 4\n")
    path = tmp_path / "my-network.py"
    path.write_text(CODE)
    return path


def same(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two networks have the same weights."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "source", ["torchvision:squeezenet1_1", "timm:test_resnet", "timm:test_resnet.r160_in1k"]
)
def test_a_model_of_a_library_is_the_same_each_time(source: str) -> None:
    before = torch.get_rng_state()
    network = load(source)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(each.training for each in network.modules())
    assert same(load(source), network)


def test_a_detector_downloads_no_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    load("torchvision:lraspp_mobilenet_v3_large")
    load("torchvision:ssdlite320_mobilenet_v3_large")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "torchvision:resnet19",
            r"unknown model of torchvision 'resnet19' \(did you mean 'resnet1",
        ),
        ("timm:resnet19", r"unknown model of timm 'resnet19' .*available: .*others$"),
        ("timm:resnet18.a9", r"unknown model of timm 'resnet18\.a9'"),
        ("timm:hf-hub:timm/resnet18", r"unknown kind of network 'timm:hf-hub:timm/resnet18'"),
        ("tim:resnet18", r"unknown library of networks 'tim' \(did you mean 'timm'\?\)"),
        ("resnet18", r"unknown kind of network 'resnet18'.*torchvision:NAME.*FILE\.pt2"),
        ("net.h5", r"unknown kind of network 'net\.h5'"),
    ],
)
def test_an_unknown_source_is_named_with_a_suggestion(source: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message) as raised:
        load(source)
    assert len(str(raised.value)) < 300


def test_a_missing_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"load: timm is not installed: pip install timm$"):
        load("timm:resnet18")


def test_a_library_built_for_another_torch_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in [each for each in sys.modules if each.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(NetworkError, match=r"beside torch .*nms does not exist\); pip install"):
        load("torchvision:resnet18")


def test_a_module_is_copied_with_the_same_tensors() -> None:
    mine = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    network = load(mine)
    assert not network.training
    assert mine.training
    assert all(a is b for a, b in zip(network.parameters(), mine.parameters(), strict=True))


def test_a_factory_is_executed_with_what_is_beside_it(code: Path) -> None:
    network = load(f"{code}:small")
    assert isinstance(network, nn.Sequential)
    assert not network.training
    assert same(load(f"{code}:small"), network)
    assert isinstance(load(f"{code}:Tied"), nn.Module)
    assert isinstance(load(f"{code}:made"), nn.Conv2d)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("smal", UnknownNameError, r"'smal' \(did you mean 'small'\?\)"),
        ("number", NetworkError, "must be a function or a class, got int"),
        ("returns", NetworkError, r"must return a torch\.nn\.Module, got int"),
        ("takes", NetworkError, "must need no arguments, but 'channels' has no default"),
        ("fails", LookupError, "mine"),
    ],
)
def test_a_factory_that_is_none_is_refused(
    name: str, error: type[Exception], message: str, code: Path
) -> None:
    with pytest.raises(error, match=message):
        load(f"{code}:{name}")


def test_a_file_that_is_not_there_is_named() -> None:
    for source in ("absent.py:net", "absent.pt2", "torchvision:squeezenet1_1+absent.safetensors"):
        with pytest.raises(FileNotFoundError, match=r"absent\.\w+"):
            load(source)


def test_what_is_no_string_and_no_module_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"load: the network must be a string .* got int"):
        load(3)  # type: ignore[arg-type]


def test_an_onnx_file_is_read(tmp_path: Path) -> None:
    sizes = {"x": [1, 1, 4, 4], "y": [1, 1, 3, 3]}
    x, y = (onnx.helper.make_tensor_value_info(each, 1, sizes[each]) for each in "xy")
    weight = onnx.numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "w")
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "graph", [x], [y], [weight])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx")
    network = load(str(tmp_path / "net.onnx"))
    assert not network.training
    assert network(torch.ones(1, 1, 4, 4)).tolist() == torch.full((1, 1, 3, 3), 4.0).tolist()


# -- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_weights_are_put_into_a_network(suffix: str, code: Path) -> None:
    trained = load(f"{code}:small")
    for parameter in trained.parameters():
        nn.init.normal_(parameter)
    path = code.with_name(f"weights+of mine{suffix}")
    if suffix == ".safetensors":
        save_file(trained.state_dict(), path)
    else:
        torch.save(trained.state_dict(), path)
    assert same(load(f"{code}:small+{path}"), trained)


def test_a_tied_weight_may_be_saved_once(code: Path) -> None:
    trained = load(f"{code}:Tied")
    path = code.with_name("tied.safetensors")
    save_model(trained, str(path))
    assert same(load(f"{code}:Tied+{path}"), trained)


def test_weights_of_another_network_are_refused(code: Path) -> None:
    path = code.with_name("weights.pt")
    torch.save(nn.Conv2d(3, 4, 3).state_dict(), path)
    with pytest.raises(NetworkError, match=r"lacks 6 weights \('0\.bias', …\) and has 2 weights"):
        load(f"{code}:small+{path}")
    torch.save(nn.Conv2d(3, 5, 3).state_dict(), path)
    with pytest.raises(NetworkError, match=r"must have the shape \(4.*\), got \(5"):
        load(f"{code}:made+{path}")


def test_weights_without_a_network_are_refused(code: Path) -> None:
    with pytest.raises(NetworkError, match=r"as in FILE\.py:FACTORY\+weights\.pt"):
        load(str(code.with_name("weights.pt")))
    with pytest.raises(UnknownNameError, match=r"unknown kind of weights '\.bin'"):
        load(f"{code}:small+weights.bin")


def test_a_missing_safetensors_is_named_with_its_command(
    code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = code.with_name("weights.safetensors")
    save_file(load(f"{code}:small").state_dict(), path)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'glassconv\[safetensors\]'"):
        load(f"{code}:small+{path}")
