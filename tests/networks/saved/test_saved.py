"""Saved networks compute the same bits; files that were changed are refused in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from glassconv.errors import ConvError, NetworkError, ShapeError
from glassconv.networks.optimize import OptimizedNetwork, optimize
from glassconv.networks.saved.document import from_document
from glassconv.networks.saved.file import KEY, load_saved
from support.networks import small_network


class Norms(nn.Module):
    """Has rows that are normalised, a residual, an activation with constants, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> dict[str, Any]:
        y = self.first(x)
        y = torch.relu(self.second(y) + y)
        z = nn.functional.leaky_relu(y, 0.25) * y + 1
        rows = self.head(self.norm(z.permute(0, 2, 3, 1)))
        return {"rows": rows.softmax(-1), "both": (y.cumsum(1), torch.clamp(z, max=float("inf")))}


class Excited(nn.Module):
    """Has a padding before a convolution, and squeeze-and-excitation before one of 1 × 1."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.squeeze = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(nn.functional.pad(x, (0, 1, 0, 1)))
        output: Tensor = self.last(y * self.squeeze(y.mean((2, 3), keepdim=True)).sigmoid())
        return output


X = torch.rand(1, 3, 12, 12)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with the saved network `Norms`."""
    path = tmp_path / "net.safetensors"
    optimize(Norms(), X).save(path, X)
    return path


def document_of(file: Path) -> Any:
    header = file.read_bytes()[8:]
    return json.loads(
        json.JSONDecoder().raw_decode(header.decode("latin-1"))[0]["__metadata__"][KEY]
    )


def changed(file: Path, change: Callable[[Any], object]) -> None:
    """Write the file again with its document changed."""
    document, tensors = document_of(file), load_file(file)
    change(document)
    save_file(tensors, file, metadata={KEY: json.dumps(document)})


def operation(document: Any, function: str) -> Any:
    return next(each for each in document["operations"] if each["function"] == function)


@pytest.mark.parametrize(
    "model", [Norms(), Excited(), small_network()], ids=["norms", "excited", "small"]
)
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_it_computes_the_same_bits(
    model: nn.Module, format: torch.memory_format, tmp_path: Path
) -> None:
    x = torch.rand(1, 3, 32, 32) if isinstance(model, nn.Sequential) else X
    x = x.contiguous(memory_format=format)
    fast = OptimizedNetwork(model, "default")
    fast.save(tmp_path / "a.safetensors", x)
    saved = load_saved(tmp_path / "a.safetensors")
    expected, found = fast(x), saved(x)
    flat = torch.utils._pytree.tree_leaves
    assert torch.utils._pytree.tree_structure(expected) == torch.utils._pytree.tree_structure(found)
    assert all(map(torch.equal, flat(expected), flat(found)))
    other = torch.empty_strided(x.shape, (1, 1024, 32, 1), dtype=x.dtype)
    if x.shape[-1] == 32:  # an input with other strides is copied
        assert all(map(torch.equal, flat(saved(other.copy_(x))), flat(expected)))


def test_inputs_of_other_shapes_are_refused(file: Path) -> None:
    saved = load_saved(file)
    for wrong in (torch.rand(1, 3, 12, 13), X.double()):
        with pytest.raises(ShapeError, match="saved for inputs"):
            saved(wrong)


def test_what_cannot_be_saved_is_said_when_it_is_saved(tmp_path: Path) -> None:
    class Unlisted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            output: Tensor = torch.special.i1(x.relu())
            return output

    path = tmp_path / "a.safetensors"
    with pytest.raises(NetworkError, match="not on the list of operators"):
        optimize(Unlisted(), X).save(path, X)
    with pytest.raises(NetworkError, match=r"must end in \.safetensors"):
        optimize(Norms(), X).save(tmp_path / "a.json", X)
    assert not path.exists()


HOSTILE: dict[str, tuple[Callable[[Any], object], str]] = {
    "an operator that reads files": (
        lambda d: d["operations"][0].update(target="torch.ops.aten.from_file.default"),
        "not on the list of operators",
    ),
    "an operator in place": (
        lambda d: operation(d, "cumsum").update(target="torch.ops.aten.cumsum_.default"),
        "no operator of plans",
    ),
    "Python's own": (
        lambda d: d["operations"][0].update(target="_operator.add"),
        "no operator of plans",
    ),
    "a name of another operator": (
        lambda d: operation(d, "cumsum").update(function="conv2d"),
        "by the name 'conv2d'",
    ),
    "no operator": (
        lambda d: operation(d, "cumsum").update(target="elementwise"),
        "without an operator",
    ),
    "a larger output": (
        lambda d: d["operations"][0]["outputs"][0].update(shape=[1, 8, 99, 99]),
        "where the file states",
    ),
    "a smaller weight": (
        lambda d: d["tensors"][0].update(shape=[1, 3, 3, 3]),
        "is stated",
    ),
    "a value of terabytes": (
        lambda d: d["inputs"][0].update(shape=[1 << 20, 3, 1 << 10, 1 << 10]),
        "which is more than 64 GiB",
    ),
    "a negative size": (
        lambda d: d["inputs"][0].update(shape=[1, 3, -12, 12]),
        "has a value of shape",
    ),
    "another input": (
        lambda d: d["inputs"][0].update(shape=[1, 3, 8, 8]),
        "where the file states",
    ),
    "an element type that is none": (
        lambda d: d["inputs"][0].update(dtype="complex64"),
        "has a value of 'complex64'",
    ),
    "mixed element types": (
        lambda d: d["inputs"][0].update(dtype="float64"),
        "one element type",
    ),
    "an activation that is none": (
        lambda d: operation(d, "conv2d")["arguments"].update(activation="eval"),
        "no kernel applies",
    ),
    "a residual of another shape": (
        lambda d: d["operations"][1]["arguments"].update(
            residual={"value": d["inputs"][0]["number"]}
        ),
        "its residual must have the shape",
    ),
    "a value that is computed later": (
        lambda d: d["operations"][0]["arguments"].update(
            input={"value": d["operations"][3]["outputs"][0]["number"]}
        ),
        "not computed before",
    ),
    "a value twice": (
        lambda d: d["operations"][1].update(outputs=d["operations"][0]["outputs"]),
        "twice",
    ),
    "an argument of another kind": (
        lambda d: d["operations"][0]["arguments"].update(stride={"pickle": ""}),
        "not known",
    ),
    "an argument too many": (
        lambda d: d["operations"][0]["arguments"].update(momentum=1),
        "where conv2d has",
    ),
    "a scale that is a number": (
        lambda d: d["operations"][0]["arguments"].update(scale=1),
        "no factor for each channel",
    ),
    "a scale of a 3 × 3 convolution": (
        lambda d: d["operations"][0]["arguments"].update(scale={"value": d["inputs"][0]["number"]}),
        "no factor for each channel",
    ),
    "a padding of pairs that are none": (
        lambda d: d["operations"][0]["arguments"].update(
            padding={"tuple": [{"tuple": [1, 1, 1]}, 1]}
        ),
        "its operation first",
    ),
    "a padding of pairs that states another shape": (
        lambda d: d["operations"][0]["arguments"].update(
            padding={"tuple": [{"tuple": [1, 2]}, {"tuple": [1, 1]}]}
        ),
        "where the file states",
    ),
    "a number of 65 bits": (
        lambda d: d["operations"][0]["arguments"].update(groups=1 << 64),
        "more than 64 bits",
    ),
    "a number as an element type, at which PyTorch crashes": (
        lambda d: operation(d, "softmax")["arguments"].update(dtype=-1),
        "its dtype is no ScalarType",
    ),
    "a number that is none": (
        lambda d: operation(d, "layer_norm")["arguments"].update(eps={"float": "__import__"}),
        "which is none",
    ),
    "an expression that is none": (
        lambda d: operation(d, "elementwise")["arguments"].update(
            expression={"expression": ["unary", "eval", ["array", "input"], []]}
        ),
        "none of elements",
    ),
    "a function with a constant too many": (
        lambda d: operation(d, "elementwise")["arguments"].update(
            expression={"expression": ["unary", "relu", ["array", "input"], ["0x1p0"]]}
        ),
        "does not take",
    ),
    "an array that is not there": (
        lambda d: operation(d, "elementwise")["arguments"].update(
            expression={"expression": ["array", "bias"]}
        ),
        "do not fit",
    ),
    "no expression": (
        lambda d: operation(d, "elementwise")["arguments"].pop("expression"),
        "do not fit",
    ),
    "an output that is not computed": (
        lambda d: d.update(outputs=[10**6, *d["outputs"][1:]]),
        "not computed before",
    ),
    "fewer outputs": (lambda d: d["outputs"].pop(), "differ in number"),
    "a class of the user's": (
        lambda d: d["returned"].update(
            structure=d["returned"]["structure"].replace("builtins.dict", "os.system")
        ),
        "returns a 'os.system'",
    ),
    "a name for the terminal": (
        lambda d: d["operations"][0].update(name="\x1b[2J"),
        "not printable",
    ),
    "another version": (lambda d: d.update(version=2), "another version"),
    "an accuracy that is none": (lambda d: d.update(accuracy="best"), "its accuracy is none of"),
    "a million operations": (
        lambda d: d.update(operations=[1] * 10_000),
        "where 5,000 are read",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_changed_file_is_refused_in_a_sentence(kind: str, file: Path) -> None:
    change, said = HOSTILE[kind]
    changed(file, change)
    with pytest.raises(NetworkError) as raised:
        load_saved(file)
    assert said in str(raised.value)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(raised.value).isprintable()


def test_every_smaller_tensor_is_refused(file: Path) -> None:
    """Also where the file states its shape as it is: a weight, a bias, a scale of rows."""
    document, tensors = document_of(file), load_file(file)
    for each in document["tensors"]:
        original, shape = tensors[str(each["number"])], each["shape"]
        if not shape:
            continue
        each["shape"] = [shape[0] - 1, *shape[1:]]
        tensors[str(each["number"])] = original[1:].contiguous()
        with pytest.raises(ConvError):
            from_document(document, tensors)
        each["shape"], tensors[str(each["number"])] = shape, original


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container of a document with each of its keys."""
    for key in list(document) if isinstance(document, dict) else range(len(document)):
        yield document, key
        if isinstance(document[key], dict | list):
            yield from places(document[key])


@pytest.mark.parametrize("value", [None, -1, 10**30, "x", [], {}, [[]], {"value": 1}, True])
def test_whatever_stands_in_any_place_raises_nothing_but_errors_of_glassconv(
    value: Any, file: Path
) -> None:
    document, tensors = document_of(file), load_file(file)
    tried = 0
    for container, key in list(places(document)):
        original = container[key]
        container[key] = value
        try:
            from_document(document, tensors)
        except ConvError:
            tried += 1
        finally:
            container[key] = original
    assert tried > 100
    from_document(document, tensors)


def test_a_file_of_weights_is_no_saved_network(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(NetworkError, match="must have '__metadata__' as dict"):
        load_saved(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(NetworkError):
        load_saved(tmp_path / "b.safetensors")
