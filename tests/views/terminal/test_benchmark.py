"""The table of timings: every layer, the geometric mean, the worst, and 80 columns."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console

from glassconv.benchmarks.suites import read_suite, suite_names
from glassconv.problem.shorthand import parse
from glassconv.reports.benchmark import Benchmark, LayerBenchmark, Roofline
from glassconv.reports.verdict import Verdict
from glassconv.views.terminal.benchmark import bench_to_json, benchmark_table

YES = Verdict(True, "within the bound")
ROWS = [
    LayerBenchmark(parse("1x256x14x14 1024@1x1 nobias"), 6, "fast", YES, 1e-3, 4e-3),
    LayerBenchmark(parse("1x3x224x224 64@7x7 s2 p3"), 1, "fast", YES, 2e-3, 1e-3),
    LayerBenchmark(parse("4x8x8 4@3x3 g4"), 2, "fast", Verdict(False, "needs a plane"), None, None),
]


ROOFLINE = Roofline(200e9, 20e9, 2, "float32")

HOW = "batch 1, 2 threads, nchw, float32"


def printed(rows: list[LayerBenchmark], roofline: Roofline | None = None) -> str:
    """Return the page on 80 columns."""
    console = Console(width=80, file=io.StringIO())
    console.print(benchmark_table(Benchmark("mine", HOW, tuple(rows), roofline)))
    assert isinstance(console.file, io.StringIO)
    page = console.file.getvalue()
    assert max(map(len, page.splitlines())) <= 80
    return page


def test_the_page_fits_and_adds_up() -> None:
    page = printed(ROWS)
    assert "median time of a call" in page
    assert "GFLOP/s" not in page
    assert "1.41 × PyTorch, geometric mean of 2 of 3 layers" in page
    assert "worst 0.50 on 1x3x224x224 64@7x7 s2 p3; faster on 1" in page
    assert "– fast: needs a plane" in page
    assert "4.00" in page


def test_a_share_of_the_roof_stands_beside_the_ratio() -> None:
    rows = [replace(row, attainable=ROOFLINE.over(row.problem)) for row in ROWS]
    page = printed(rows, ROOFLINE)
    assert f"{100 * 2 * ROWS[0].problem.macs / 1e-3 / 200e9:.0f}%" in page
    assert "200 GFLOP/s, 20 GB/s, measured on 2 threads in float32" in page
    assert "nothing compiled; nothing packed" in page


def test_what_happens_once_is_summed_apart() -> None:
    rows = [replace(row, compile_seconds=0.02, packing_seconds=1e-3) for row in ROWS]
    assert "3 kernels compiled in 60 ms; 3 weights packed in 3 ms" in printed(rows)


def test_shares_above_the_roof_have_a_footnote() -> None:
    fast = replace(ROWS[0], seconds=1e-5, attainable=200e9)
    assert "keep their arrays in cache" in printed([fast], ROOFLINE)
    assert "counted as the definition's" in printed(
        [replace(fast, algorithm="winograd4")], ROOFLINE
    )


def test_no_layer_of_a_suite_is_cut_short() -> None:
    layers = [layer.problem for name in suite_names() for layer in read_suite(name)]
    rows = [
        LayerBenchmark(
            each, 16, "implicit_gemm", YES, 12.3e-3, 23.4e-3, 2 * each.macs / 12.3e-3 / 1.18
        )
        for each in layers
    ]
    page = printed(rows)
    assert "…" not in page
    assert "144x56x56 144@3x3 s2 p1 g144" in page


def test_json_keeps_every_figure() -> None:
    document = json.loads(bench_to_json(Benchmark("mine", "how", tuple(ROWS), ROOFLINE)))
    assert document["suite"] == "mine"
    assert (document["against"], document["roofline"]["threads"]) == ("aten", 2)
    assert [layer["ratio"] for layer in document["layers"]] == [4, 0.5, None]
    assert document["layers"][2]["verified"] == "needs a plane"
    assert parse(document["layers"][1]["problem"]) == ROWS[1].problem
