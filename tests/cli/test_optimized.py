"""`glassconv optimize`, `run`, and `tune` and `bench` of a network, run as a user runs them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytest import CaptureFixture, MonkeyPatch

from glassconv.benchmarks import networks
from glassconv.benchmarks.peers import ours
from glassconv.cli import optimized
from glassconv.dispatch import dispatch, tuning_store
from glassconv.networks.saved.file import load_saved
from support.command_line import pipe, run

FACTORY = """
import torch
from torch import nn

def network():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )
    network.default_cfg = {"input_size": (3, 16, 24)}
    return network

def wide():
    return nn.Sequential(nn.Conv2d(1, 2, 3))

class Depends(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x
"""


@pytest.fixture(autouse=True)
def piped(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """Run in a folder with the networks, 80 columns wide and without a terminal."""
    (tmp_path / "nets.py").write_text(FACTORY)
    pipe(tmp_path, monkeypatch)


def test_passes_steps_memory_and_errors_are_printed(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "optimize", "nets.py:network", "1x3x16x16") == 0
    out, _ = capsys.readouterr()
    assert out.startswith("nets.py:network\n[1, 3, 16, 16] → [1, 2]\n3 steps, ")
    assert max(map(len, out.splitlines())) <= 80
    rows = [line.split() for line in out.splitlines()]
    assert ["fold_batch_norm", "6", "5"] in rows
    assert [row[0] for row in rows if row[1:2] in (["mean"], ["pointwise"])] == ["3", "5"]
    assert any(row[:2] == ["network's", "error"] for row in rows)


def test_a_pass_is_shown_as_text_and_as_json(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    command = ("optimize", "nets.py:network", "1x3x16x16", "--show", "fold_batch_norm")
    assert run(monkeypatch, *command) == 0
    out, _ = capsys.readouterr()
    assert "before: 6 operations" in out
    assert "− 1 batch_norm(0, " in out
    assert run(monkeypatch, *command, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["after"]) == 5


def test_a_network_is_saved(monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    options = ["--show", "unused", "--save", "net.safetensors"]
    assert run(monkeypatch, "optimize", "nets.py:network", "1x3x16x16", *options) == 0
    saved = load_saved(tmp_path / "net.safetensors")
    assert saved(torch.rand(1, 3, 16, 16)).shape == (1, 2)


def test_an_image_is_an_input(monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((30, 40, 3), dtype=np.uint8)).save("a.png")
    assert run(monkeypatch, "optimize", "nets.py:network", "a.png", "--json", "--threads", "1") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["input_shapes"] == [[1, 3, 16, 24]]
    assert document["threads"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nets.py:network", "large"], "the input is a shape such as 1x3x224x224 or an image file"),
        (["nets.py:network", "none.png"], "none.png cannot be read as an image"),
        (["nets.py:network", "1x3x16x16", "--show", "fold"], "unknown pass 'fold'; available: "),
        (["nets.py:network", "1x3x16x16", "--accuracy", "best"], "unknown accuracy 'best'"),
        (["nets.py:network", "1x4x16x16"], "expected input[1, 4, 16, 16] to have 3 channels"),
        (["nets.py:network", "1x3x16x16", "--memory", "9 B"], "its plan needs "),
        (["nets.py:Depends", "1x3x16x16"], "Depends: "),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    arguments: list[str],
    said: str,
    monkeypatch: MonkeyPatch,
    capsys: CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "optimize", *arguments) == 2
    out, error = capsys.readouterr()
    assert said in error
    assert error.startswith("glassconv: ")
    assert error.count("\n") == 1
    assert not out


def test_run_names_the_most_probable_classes(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], tmp_path: Path
) -> None:
    Image.fromarray(np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3)).save("a.png")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    command = ("run", "nets.py:network", "--image", "a.png")
    assert run(monkeypatch, *command, "--labels", "labels.txt") == 0
    out, _ = capsys.readouterr()
    assert out.startswith("nets.py:network\na.png, 40 × 30, scaled bilinear, ")
    assert {line.split()[-1] for line in out.splitlines()[-2:]} == {"cat", "dog"}
    assert run(monkeypatch, *command) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(("class 0", "class 1"))
    assert run(monkeypatch, "run", "nets.py:wide", "--image", "a.png") == 0
    row = capsys.readouterr().out.splitlines()[-2]
    assert " ".join(row.split()).startswith("[1, 2, 222, 222] float32 ")


def test_run_says_what_is_wrong_with_the_labels(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], tmp_path: Path
) -> None:
    Image.fromarray(np.zeros((9, 9, 3), dtype=np.uint8)).save("a.png")
    (tmp_path / "labels.txt").write_text("cat\n")
    options = ["--image", "a.png", "--labels", "labels.txt"]
    assert run(monkeypatch, "run", "nets.py:network", *options) == 2
    assert "there are 1 labels for 2 classes" in capsys.readouterr().err


def test_tune_times_the_problems_of_a_network(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tuning_store._document.cache_clear()
    assert run(monkeypatch, "tune", "nets.py:network", "--input", "1x3x9x9") == 0
    out, _ = capsys.readouterr()
    assert out.startswith("nets.py:network\n")
    assert out.count("2 of 2 problems timed, ") == 1
    assert len(json.loads((tmp_path / "glassconv" / "tuned.json").read_text())) == 1
    monkeypatch.undo()
    tuning_store._document.cache_clear()
    dispatch.forget()


def test_bench_times_a_network_by_each_engine(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(optimized, "ENGINES", (ours.ENGINE,))
    monkeypatch.setattr(optimized, "benchmark", partial(networks.benchmark, rounds=1))
    command = ("bench", "nets.py:network", "--threads", "1", "--json", "a.json")
    assert run(monkeypatch, *command) == 0
    out, _ = capsys.readouterr()
    assert "glassconv" in out
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["networks"][0]["network"] == "nets.py:network"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bench"], "bench needs a network, such as torchvision:resnet18, or --suite NAME"),
        (["bench", "nets.py:network", "--suite", "resnet18"], "bench needs a network, "),
        (["bench", "nets.py:network", "--layout", "nhwc"], "can only be used with --suite"),
        (["tune", "nets.py:network", "--layout", "nhwc"], "can only be used with a problem"),
        (["tune", "3x9x9", "4@3x3", "--input", "1x3x9x9"], "can only be used with a network"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: list[str], said: str, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert said in capsys.readouterr().err
