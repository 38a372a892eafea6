"""A hostile file is refused in a sentence, soon, without memory for it, and nothing is executed."""

from __future__ import annotations

import io
import json
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from glassconv.errors import NetworkError
from glassconv.networks.files import state_dict
from glassconv.networks.load import load
from support.hostile_programs import PROGRAMS, UNREAD
from support.hostile_weights import RAN, WEIGHTS, Writer, command, honest, saved
from support.process import run_python
from support.programs import write_program

CALLS = 2_000_000
MEGABYTES = 256
HOSTILE = {**WEIGHTS, **{f"program: {name}": written for name, written in PROGRAMS.items()}}
ARCHITECTURE = "from support.hostile_weights import layer\n"


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Return a function from a file to the source of a network that has it.

    The network's code is in a folder of its own, where Python may write what it compiled.
    """
    code = tmp_path_factory.mktemp("code") / "architecture.py"
    code.write_text(ARCHITECTURE)

    def of(path: Path) -> str:
        return str(path) if path.suffix == ".pt2" else f"{code}:layer+{path}"

    return of


@pytest.mark.parametrize("name", [*HOSTILE])
def test_it_is_refused_in_a_sentence(
    name: str, source: Callable[[Path], str], tmp_path: Path
) -> None:
    write, reason = HOSTILE[name]
    path = write(tmp_path)
    before = set(tmp_path.iterdir())
    with pytest.raises(NetworkError, match=reason) as raised:
        load(source(path))
    sentence = str(raised.value)
    assert sentence.startswith(f"{path}: ")
    assert sentence.isprintable()
    assert len(sentence) < len(str(path)) + 300
    assert set(tmp_path.iterdir()) == before, "it was executed"


@pytest.mark.parametrize("write", UNREAD.values(), ids=[*UNREAD])
def test_what_is_not_needed_is_not_read(write: Writer, tmp_path: Path) -> None:
    network = load(str(write(tmp_path)))
    assert network(torch.ones(2, 3, 8, 8))["mean"].shape == (2, 4)
    assert not (tmp_path / RAN).exists()


def test_the_honest_files_load(source: Callable[[Path], str], tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(honest())
    load(source(tmp_path / "net.pt"))
    load(str(write_program(tmp_path / "net.pt2")))


def test_the_command_would_be_executed(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(command(tmp_path)))
    assert (tmp_path / RAN).exists()


def test_pytorchs_own_loader_would_execute_python_of_a_size(tmp_path: Path) -> None:
    path = PROGRAMS["Python for the size of an input"][0](tmp_path)
    with suppress(AttributeError):  # after it was evaluated, to None
        torch.export.load(path)
    assert (tmp_path / RAN).exists()


def test_pytorch_refuses_a_command_without_our_check(
    source: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_dict, "_check_pickle", lambda file, path: None)
    for zipped in (True, False):
        (tmp_path / "net.pt").write_bytes(saved({"0.weight": command(tmp_path)}, zipped))
        with pytest.raises(NetworkError, match="it cannot be read: Unsupported global"):
            load(source(tmp_path / "net.pt"))
        assert not (tmp_path / RAN).exists()


@pytest.mark.parametrize("kind", ["net.pt", "net.pt2", "net.pth", "net.safetensors"])
def test_a_file_cut_short_is_refused(
    kind: str, source: Callable[[Path], str], tmp_path: Path
) -> None:
    weights = torch.load(io.BytesIO(honest()), weights_only=True)
    contents = {
        "net.pt": honest(),
        "net.pt2": write_program(tmp_path / "whole").read_bytes(),
        "net.pth": saved(weights, zipped=False),
        "net.safetensors": save(weights),
    }
    content = contents[kind]
    path = tmp_path / kind
    path.write_bytes(content)
    load(source(path))
    for size in range(0, len(content), max(len(content) // 50, 1)):
        path.write_bytes(content[:size])
        with pytest.raises(NetworkError):
            load(source(path))


@pytest.mark.skipif(sys.platform == "win32", reason="no peak of memory is known there")
def test_no_file_takes_much_work_or_memory(source: Callable[[Path], str], tmp_path: Path) -> None:
    """In a process of its own: the peak of memory above what the imports and honest files take."""
    (tmp_path / "net.pt").write_bytes(honest())
    first = [source(tmp_path / "net.pt"), str(write_program(tmp_path / "net.pt2"))]
    sources = {}
    writers = {name: write for name, (write, _) in HOSTILE.items()} | dict(UNREAD)
    for at, (name, write) in enumerate(writers.items()):
        folder = tmp_path / str(at)
        folder.mkdir()
        sources[name] = source(write(folder))
    unit = 1 if sys.platform == "darwin" else 1 << 10  # bytes of what getrusage counts
    program = f"""
        import json, resource
        from contextlib import suppress
        from glassconv.errors import NetworkError
        from glassconv.networks.load import load
        from support.count_calls import count_calls
        import safetensors.torch

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * {unit} / 2**20

        for source in {first!r}:
            load(source)
        before, found = peak(), {{}}
        for name, source in {sources!r}.items():
            with count_calls() as count, suppress(NetworkError):
                load(source)
            found[name] = count.calls, peak() - before
        print(json.dumps(found))
    """
    ended = run_python(program, variables={"PYTHONPATH": ":".join(sys.path)})
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found.keys() == sources.keys()
    assert not {
        name: took for name, took in found.items() if took[0] > CALLS or took[1] > MEGABYTES
    }
