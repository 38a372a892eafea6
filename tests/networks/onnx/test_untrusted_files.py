"""A hostile ONNX file gets one sentence, in little time and memory; none of it is executed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import fx

from glassconv.errors import ConvError, NetworkError, UnsupportedError
from glassconv.networks.onnx import from_onnx
from networks.onnx.hostile_files import FILES, HARMLESS, write
from support.process import run_command

TESTS = Path(__file__).parents[2]
MOST_CALLS = 6_000_000  # for each file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write(folder)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_in_a_sentence(name: str, folder: Path) -> None:
    with pytest.raises((NetworkError, UnsupportedError), match=FILES[name][1]) as caught:
        from_onnx(folder / "models" / f"{name}.onnx")
    assert str(caught.value).startswith(f"{name}.onnx: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("place", ["absent.onnx", "."])
def test_what_is_not_a_file_is_refused(place: str, folder: Path) -> None:
    with pytest.raises(NetworkError, match=r"No such file|not a file"):
        from_onnx(folder / place)


def test_hostile_files_take_little_work_and_memory(folder: Path) -> None:
    """A process that may take 256 MB beyond its imports reads them all."""
    command = [sys.executable, "-m", "networks.onnx.hostile_files", str(folder)]
    ended = run_command(command, variables={"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])})
    assert ended.code == 0, ended.err
    lines = [line.split("\t") for line in ended.out.splitlines()]
    assert [name for name, *_ in lines] == [*FILES, *HARMLESS]
    assert {name for name, refused, _ in lines if refused == "1"} == set(FILES)
    assert max(int(calls) for _, _, calls in lines) < MOST_CALLS


def test_names_of_a_file_are_never_code(tmp_path: Path) -> None:
    """The module's code is made of the file's names, of which only letters and digits are kept."""
    code = "x=__import__('os').abort()):\n    "
    names = [code, "forward", "class", "self", "torch", '"', "ж", "__init__", "x.y", "training"]
    nodes = [helper.make_node("Relu", [name], [f"{name}!"], name=f"{name}") for name in names]
    weight = numpy_helper.from_array(np.ones(1, np.float32), 'w"]; abort(); ["')
    nodes += [
        helper.make_node("Sum", [f"{name}!" for name in names], ["s"], name="a\nb"),
        helper.make_node("Add", ["s", weight.name], ["y"], name="graph"),
        helper.make_node("Einsum", ["y"], ["z"], equation="i->i\"'#\n"),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in names]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    graph = helper.make_graph(nodes, "g", inputs, [output], [weight])
    file = tmp_path / "names.onnx"
    file.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    )
    network = from_onnx(file)
    assert isinstance(network, fx.GraphModule)
    assert "abort()" not in network.code
    with pytest.raises(RuntimeError, match="einsum"):
        network(*[torch.ones(3)] * len(names))


def test_the_error_is_a_value_error_too(folder: Path) -> None:
    with pytest.raises(ValueError, match="no ONNX file"):
        from_onnx(folder / "models" / "text.onnx")
    assert issubclass(NetworkError, ConvError)
