"""The page in a real browser: without a network it draws, and asks for nothing."""

from __future__ import annotations

import threading
from math import pi
from pathlib import Path

import torch

from glassconv import parse
from glassconv.data import photograph
from glassconv.explore.page import cell, page
from glassconv.explore.reports import Link, introduction, of_picture, of_problems
from glassconv.explore.server import Server
from glassconv.problem.operands import Operands
from glassconv.problem.problem import equal_convolution
from support.browsers import check_first_output, drive, pytorchs_value

TUTORIAL = of_picture(photograph.chelsea())
REPORT = TUTORIAL.to_json()
PROBLEM, OPERANDS = (
    equal_convolution(TUTORIAL.problem),
    Operands(
        torch.from_numpy(TUTORIAL.input),
        torch.from_numpy(TUTORIAL.weight),
        torch.from_numpy(TUTORIAL.bias),
    ),
)


def test_the_file_draws_with_the_network_off(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(REPORT, "the tutorial"), encoding="utf-8")
    seen = drive("open.mjs", file.as_uri(), tmp_path / "page.png", "offline")
    assert seen["requests"] == [file.as_uri()]
    assert seen["messages"] == []
    check_first_output(seen["text"], PROBLEM, OPERANDS)


def test_the_introduction_draws_with_the_network_off(tmp_path: Path) -> None:
    file = tmp_path / "introduction.html"
    report = introduction([Link("Tutorial", "tutorial.html")]).to_json()
    file.write_text(page(report, "the introduction"), encoding="utf-8")
    seen = drive("open.mjs", file.as_uri(), tmp_path / "introduction.png", "offline")
    assert seen["requests"] == [file.as_uri()]
    assert seen["messages"] == []
    for words in ("Convolution you can see through", "Tutorial", "Skip the introduction"):
        assert words in seen["text"]


def test_a_saved_cell_draws_with_the_network_off(tmp_path: Path) -> None:
    file = tmp_path / "notebook.html"
    file.write_text(cell(REPORT, "the tutorial") * 2, encoding="utf-8")
    seen = drive("open.mjs", file.as_uri(), tmp_path / "cell.png", "offline", "frame")
    assert seen["requests"] == [file.as_uri()]
    assert seen["messages"] == []
    check_first_output(seen["text"], PROBLEM, OPERANDS)


def test_the_served_page_asks_only_its_server(tmp_path: Path) -> None:
    large = of_problems([parse("3x400x400 8@3x3")])
    assert large.output is None  # so that the page has to ask
    with Server({"/": page(large.to_json(), "a large one", remote=True)}) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            seen = drive("open.mjs", server.address, tmp_path / "served.png")
        finally:
            server.shutdown()
            thread.join()
    assert seen["messages"] == []
    assert set(seen["requests"]) == {server.address, server.address + "message"}
    value, difference = pytorchs_value(seen["text"])
    assert value
    # PyTorch's is within n·u·Σ|x||w|, n = 28, and the page's is rounded once. The page draws normal
    # numbers of its own, the weights over √27: 27 products of size 2/π · 1/√27 on average.
    assert difference <= 29 * 2.0**-24 * 27**0.5 * 2 / pi
