"""`glassconv explore`, run as a user runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytest import CaptureFixture, MonkeyPatch

from glassconv.explore.links import project_links
from glassconv.explore.server import Server
from glassconv.explore.tensors import from_document
from support import command_line


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (60, 40), "teal").save("own.png")


def run(monkeypatch: MonkeyPatch, *arguments: str) -> int:
    """Return the exit code of `glassconv explore` with these arguments."""
    return command_line.run(monkeypatch, "explore", *arguments)


def report_of(file: str) -> dict[str, Any]:
    """Return the report that a page holds."""
    found = re.search(r'id="report">(.*?)</script>', Path(file).read_text(encoding="utf-8"))
    assert found
    report: dict[str, Any] = json.loads(found[1])
    return report


def test_by_default_the_introduction_is_written(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch) == 0
    out, said = capsys.readouterr()
    assert re.fullmatch(r"explorer\.html, \d+ kB: open it in any browser\n", out)
    assert said == ""
    report = report_of("explorer.html")
    assert report["problem"] == "1x3x32x32 1@5x5 s1 p0"
    assert report["guide"] == {"links": [vars(link) for link in project_links()]}
    assert "<title>glassconv · convolution you can see through</title>" in Path(
        "explorer.html"
    ).read_text(encoding="utf-8")
    assert Path("explorer.html").stat().st_size <= 400_000


@pytest.mark.parametrize("arguments", [["2x6x6 3@3x3"], ["own.png"]])
def test_what_was_asked_for_opens_without_the_introduction(
    monkeypatch: MonkeyPatch, arguments: list[str]
) -> None:
    assert run(monkeypatch, *arguments) == 0
    assert "guide" not in report_of("explorer.html")


@pytest.mark.parametrize(
    "arguments", [["2x6x6", "3@3x3", "4x6x6", "2@1x1"], ["2x6x6 3@3x3", "4x6x6 2@1x1"]]
)
def test_problems_may_be_quoted_or_not(monkeypatch: MonkeyPatch, arguments: list[str]) -> None:
    assert run(monkeypatch, *arguments, "--out", "some/page.html") == 0
    assert [each["text"] for each in report_of("some/page.html")["layers"]] == [
        "1x2x6x6 3@3x3 s1 p0",
        "1x4x6x6 2@1x1 s1 p0",
    ]


def test_a_picture_is_explored_as_the_tutorials(monkeypatch: MonkeyPatch) -> None:
    assert run(monkeypatch, "own.png") == 0
    report = report_of("explorer.html")
    assert report["problem"] == "1x3x32x32 1@5x5 s1 p0"
    assert report["source"] == "own.png, 60 × 40, its centre square scaled to 32 × 32"


def test_a_picture_is_scaled_to_the_problem(monkeypatch: MonkeyPatch) -> None:
    assert run(monkeypatch, "3x20x30", "2@3x3", "own.png") == 0
    report = report_of("explorer.html")
    assert report["input"]["shape"] == [1, 3, 20, 30]
    assert report["source"] == "own.png, 60 × 40, its centre scaled to 30 × 20"


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["3x8x8"], "a problem needs an input and filters"),
        (["3x8x8", "2@9x9"], "the kernel spans 9 positions"),
        (["nowhere.png"], "nowhere.png cannot be read as an image: No such file"),
        (["own.png", "own.png"], "explore takes one image"),
        (
            ["own.png", "3x8x8 2@3x3", "3x8x8 2@3x3"],
            "explore takes one image, and at most one problem",
        ),
        (["own.png", "8x8x8 2@3x3"], "an image has two axes and 3 channels"),
        (["own.png", "3x8 2@3"], "an image has two axes and 3 channels"),
        (["1x4x4x4", "1@2x2x2"], "not of three"),
        (["--out", "page.png"], "page.png must end in .html"),
        (["--out", "own.png/page.html"], "cannot write into own.png"),
        (["--serve", "--out", "page.html"], "give --out or --serve, not both"),
        (["--no-browser"], "--no-browser can only be used with --serve"),
        (["nets.py:network", "own.png"], "a page for each convolution: add --serve"),
        (["nowhere.py:network", "--serve"], "nowhere.py"),
        (["nowhere.onnx", "--serve"], "nowhere.onnx"),
        (["a.py:f", "b.py:f", "--serve"], "explore takes one network"),
        (["a.py:f", "own.png", "own.png", "--serve"], "at most one image that it gets"),
        (["a.py:f", "3x8x8", "2@3x3", "--serve"], "at most one image that it gets"),
        (["own.png", "--input", "1x3x8x8"], "--input can only be used with a network"),
    ],
)
def test_what_cannot_be_explored_is_refused(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], arguments: list[str], cause: str
) -> None:
    assert run(monkeypatch, *arguments) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert said.startswith("glassconv: ")
    assert cause in said
    assert [file.name for file in Path().iterdir()] == ["own.png"]


def test_the_browser_is_opened_on_what_is_served(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(Server, "serve_forever", interrupted)
    assert run(monkeypatch, "--serve") == 0
    assert [capsys.readouterr().out.splitlines()[0]] == opened


def interrupted(_server: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "source", "pixel"),
    [(["own.png", "nets.py:network"], "own.png", 128 / 255), (["nets.py:network"], "random", None)],
)
def test_a_network_is_served_on_an_image_or_on_random_numbers(
    monkeypatch: MonkeyPatch, arguments: list[str], source: str, pixel: float | None
) -> None:
    served: list[Mapping[str, str]] = []

    def serve(server: Server) -> None:
        served.append(dict(server.pages))

    Path("nets.py").write_text("from torch import nn\ndef network(): return nn.Conv2d(3, 2, 3)\n")
    monkeypatch.setattr(Server, "serve_forever", serve)
    more = ["--input", "1x3x10x8", "--serve", "--no-browser"]
    assert run(monkeypatch, *arguments, *more) == 0
    ((index, layer),) = (pages.values() for pages in served)
    assert source in index
    Path("layer.html").write_text(layer, encoding="utf-8")
    report = report_of("layer.html")
    assert report["problem"] == "1x3x10x8 2@3x3 s1 p0"
    green = from_document(report["input"], "input")[0, 1]  # of teal, in own.png
    assert pixel is None or np.all(green == np.float32(pixel))


def test_it_serves_until_it_is_interrupted() -> None:
    # A shell that starts the tests in the background lets its children ignore interrupts.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heard}; from glassconv.cli import main; main()"
    serving = [sys.executable, "-c", program, "explore"]
    with subprocess.Popen(
        [*serving, "2x6x6", "3@3x3", "--serve", "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=30) as response:
            assert b"1x2x6x6 3@3x3 s1 p0" in response.read()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
        assert process.stderr.read() == ""
