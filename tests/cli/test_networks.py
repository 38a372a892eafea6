"""`glassconv explain` and `verify` of a network, run as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest import CaptureFixture, MonkeyPatch

from glassconv.explanation.network import NetworkReport
from support.command_line import pipe, run

FACTORY = """
import torch
from torch import nn

def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )

def grey():
    return nn.Sequential(nn.Conv2d(1, 2, 3))

def wrong():
    network = nn.Sequential(nn.Conv2d(3, 8, 3))
    network[0].weight.data[0, 0, 0, 0] = float("nan")
    return network

def plain():
    return nn.Linear(4, 4)
"""


@pytest.fixture(autouse=True)
def piped(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """Run in a folder with the networks, 80 columns wide and without a terminal."""
    (tmp_path / "nets.py").write_text(FACTORY)
    pipe(tmp_path, monkeypatch)


def test_a_network_is_explained_and_json_reads_back(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "explain", "nets.py:network", "--input", "1x3x32x32") == 0
    out, _ = capsys.readouterr()
    assert out.startswith("nets.py:network\n[1, 3, 32, 32] → [1, 2]\n1 convolution, ")
    assert max(map(len, out.splitlines())) <= 80
    assert run(monkeypatch, "explain", "nets.py:network", "--input", "1x3x32x32", "--json") == 0
    report = NetworkReport.from_json(capsys.readouterr().out)
    assert report.facts.convolutions[0].shorthand == "1x3x32x32 8@3x3 s1 p1 nobias"


def test_it_is_timed_and_written_as_a_page_and_as_node_data(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--input", "1x3x9x9", "--time", "--html", "a.html", "--node-data", "a.json"]
    assert run(monkeypatch, "explain", "nets.py:network", *options) == 0
    out, said = capsys.readouterr()
    assert "All operations take" in out
    assert "a.html" in said
    page = (tmp_path / "a.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    node_data = json.loads((tmp_path / "a.json").read_text())
    assert node_data["graph"]["results"] == {"conv2d": {"value": 100.0}}


@pytest.mark.parametrize(("network", "channels"), [("nets.py:network", 3), ("nets.py:grey", 1)])
def test_an_image_is_scaled_to_the_input(
    network: str, channels: int, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    Image.fromarray(np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3)).save("a.png")
    options = ["--image", "a.png", "--input", f"1x{channels}x16x24"]
    for command in ("explain", "verify"):
        assert run(monkeypatch, command, network, *options) == 0
        assert f"[1, {channels}, 16, 24]" in capsys.readouterr().out


def test_verify_exits_with_1_where_something_is_not_right(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "verify", "nets.py:network", "--input", "1x3x16x16") == 0
    assert "every convolution is within its bound" in capsys.readouterr().out
    assert run(monkeypatch, "verify", "nets.py:wrong", "--input", "1x3x16x16") == 1
    assert "an output of the network is NaN or infinite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["explain", "nets.py:network", "--input", "3x3"], "--input is a shape such as"),
        (["explain", "nets.py:network", "--input", "1x4x9x9"], "channels"),
        (["explain", "nets.py:plain", "--input", "1x2x4"], "it calls no convolution"),
        (["explain", "nets.py:network", "--image", "none.png"], "cannot be read"),
        (["explain", "nets.py:network", "--image", "a", "--input", "1x3x9"], "an image needs"),
        (["explain", "3x8x8 4@3x3", "--time"], "can only be used with a network"),
        (["verify", "3x8x8 4@3x3", "--input", "1x3x9x9"], "can only be used with a network"),
        (["verify", "nets.py:network", "--hash"], "can only be used with a problem"),
        (["explain", "nets.py:none"], "none"),
        (["verify", "nowhere:net"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    arguments: list[str], cause: str, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert said.startswith("glassconv: ")
    assert "Traceback" not in said
    assert cause in said
