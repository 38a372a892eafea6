"""The table of timings: every layer, the geometric mean, the worst, and 80 columns."""

from __future__ import annotations

import io
import json

from rich.console import Console

from glassconv.report import Benched, Verdict
from glassconv.shorthand import parse
from glassconv.views.benched import bench_to_json, benched

YES = Verdict(True, "within the bound")
ROWS = [
    Benched(parse("1x256x14x14 1024@1x1 nobias"), 6, "fast", YES, 1e-3, 4e-3),
    Benched(parse("1x3x224x224 64@7x7 s2 p3"), 1, "fast", YES, 2e-3, 1e-3),
    Benched(parse("4x8x8 4@3x3 g4"), 2, "fast", Verdict(False, "needs a plane"), None, None),
]


def test_the_page_fits_and_adds_up() -> None:
    console = Console(width=80, file=io.StringIO())
    console.print(benched("mine", "batch 1, 2 threads, nchw, float32", ROWS))
    assert isinstance(console.file, io.StringIO)
    page = console.file.getvalue()
    assert max(map(len, page.splitlines())) <= 80
    assert "1.41 × PyTorch, geometric mean of 2 of 3 layers" in page
    assert "worst 0.50 on 1x3x224x224 64@7x7 s2 p3; faster on 1" in page
    assert "– fast: needs a plane" in page
    assert "4.00" in page


def test_json_keeps_every_figure() -> None:
    document = json.loads(bench_to_json("mine", "how", ROWS))
    assert document["suite"] == "mine"
    assert [layer["ratio"] for layer in document["layers"]] == [4, 0.5, None]
    assert document["layers"][2]["verified"] == "needs a plane"
    assert parse(document["layers"][1]["problem"]) == ROWS[1].problem
