"""The report about a kernel: it fits, its tile is drawn, and its numbers are the report's."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from glassconv.problem.shorthand import parse
from glassconv.reports.benchmark import LayerBenchmark, Roofline
from glassconv.reports.kernel import CacheFit, Factor, HotLoop, KernelReport
from glassconv.reports.verdict import Verdict
from glassconv.views.terminal.kernel import kernel_report

PROBLEM = parse("1x64x56x56 64@3x3 p1")
YES = Verdict(True, "within the bound")
TILE = HotLoop(
    "tiles_2x2",
    rows=(Factor("ymm14", "broadcast"), Factor("ymm15", "broadcast")),
    columns=(Factor("ymm12", "vector"), Factor("ymm13", "vector")),
    cells=(("ymm3", "ymm2"), ("ymm1", "ymm0")),
    totals=("ymm3", "ymm2", "ymm1", "ymm0"),
    instructions=10,
    products=4,
    loads=4,
    loaded_bytes=72,
    registers=8,
)
REPORT = KernelReport(
    PROBLEM,
    "implicit_gemm",
    "nchw",
    idea="blocked im2col",
    loops=("for 1 image", "  for 6 blocks"),
    blocking=(("filter block", 64), ("pixel block", 1024)),
    tasks=12,
    threads=2,
    target="avx2",
    caches=(("L1", 32768), ("L2", 524288)),
    lanes=8,
    target_registers=16,
    hot=TILE,
    spills=(),
    multiplications=PROBLEM.macs,
    arrays=(CacheFit("input", 802816, ""), CacheFit("buffer", 30_000, "L1")),
    predicted=140e9,
    roofline=Roofline(200e9, 20e9, 2, "float32"),
    benchmark=LayerBenchmark(PROBLEM, 1, "implicit_gemm", YES, 2e-3, 4e-3, attainable=200e9),
)


def page(report: KernelReport) -> str:
    """Return what is printed on 80 columns."""
    console = Console(width=80, file=io.StringIO())
    console.print(kernel_report(report))
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert max(map(len, written.splitlines())) <= 80
    return written


def test_the_page_says_what_the_report_holds() -> None:
    written = page(REPORT)
    for fact in (
        "  for 6 blocks",
        "blocking  filter block 64, pixel block 1,024",
        "12 tasks, taken by 2 threads",
        "10 instructions: 4 multiply-adds, 4 loads, 2 others",
        "32 products for 72 bytes loaded: 0.889 FLOPs per byte",
        "8 of 16 vector registers, in this loop",
        "30 kB  fits L1, one for each of 2 threads",
        "larger than L2",
        "arithmetic is the limit",
        "116 GFLOP/s, 58 % of the roofline",
        "2.00 × as fast",
        "140 GFLOP/s, by the cost model",
        "from the disk cache",
    ):
        assert fact in written


def test_the_tile_is_drawn() -> None:
    written = page(REPORT)
    assert "ymm12     ymm13" in written
    assert "ymm14 × │   ymm3  │   ymm2  │" in written
    assert "ymm15 × │   ymm1  │   ymm0  │" in written
    assert "2 vectors loaded, 8 float32 each" in written
    assert "2 elements broadcast" in written


@pytest.mark.parametrize("columns", [1, 8])
def test_tables_of_any_width_fit(columns: int) -> None:
    hot = replace(
        TILE,
        rows=(Factor("memory", "vector"),) * 12,
        columns=(Factor("zmm31", "broadcast"),) * columns,
        cells=((("zmm10",) * columns),) * 12,
    )
    lines = page(replace(REPORT, hot=hot)).splitlines()
    assert sum(line.count("zmm10") == columns for line in lines) == 12
    assert any("┌" in line and "┐" in line for line in lines)


def test_without_a_table_the_sums_are_listed() -> None:
    totals = tuple(f"zmm{number}" for number in range(28))
    hot = replace(TILE, rows=(), columns=(), cells=(), totals=totals)
    written = page(replace(REPORT, hot=hot))
    assert "to 28 accumulators" in written
    assert all(name in written for name in totals)


def test_code_without_products_has_a_page() -> None:
    none = HotLoop("f", (), (), (), (), 0, 0, 0, 0, 0)
    assert "no multiply-adds" in page(replace(REPORT, hot=none))


def test_a_wrong_answer_has_no_figure() -> None:
    wrong = replace(REPORT.benchmark, verdict=Verdict(False, "off by 7"), seconds=None)
    written = page(replace(REPORT, benchmark=wrong))
    assert "no figure: off by 7" in written
    assert "as fast" not in written


def test_a_speed_above_the_roofline_is_explained() -> None:
    fast = replace(REPORT, benchmark=replace(REPORT.benchmark, seconds=0.5e-3))
    assert "another process" in page(fast)
    slow = replace(REPORT.roofline, bytes_per_second=1e9)
    assert "stayed in cache" in page(replace(fast, roofline=slow))
    assert "Other processes" in page(replace(REPORT, roofline=replace(slow, threads=1)))
    spared = replace(fast, multiplications=PROBLEM.macs // 4)
    assert "4 × fewer" in page(spared)
    assert "231 % of the roofline" in page(spared)


def test_what_happens_once_is_said_apart() -> None:
    once = replace(REPORT.benchmark, compile_seconds=0.06, packing_seconds=1e-3)
    written = page(
        replace(REPORT, benchmark=once, spills=(("edge", 3),), threads=1, tasks=1, loops=())
    )
    assert "in 60 ms, once; the weight packed in 1 ms, once" in written
    assert "3 in edge: values stored to memory" in written
    assert "1 task, taken by 1 thread" in written
