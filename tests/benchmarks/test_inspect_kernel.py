"""A look into kernels: facts that agree with the problem, and refusals that say what can."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from glassconv.algorithms import named
from glassconv.benchmarks import inspect_kernel as looking
from glassconv.codegen.analysis import roofline
from glassconv.codegen.target import host
from glassconv.codegen.target import named as target_named
from glassconv.dispatch.select import choose
from glassconv.errors import UnknownNameError, UnsupportedError
from glassconv.kernels import KERNELS, kernel_verdict
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NHWC, Layout
from glassconv.problem.shorthand import parse
from glassconv.reports.verdict import Verdict
from glassconv.verification.verify import verify

pytestmark = pytest.mark.skipif(host() is None, reason="no kernel runs on this processor")
PROBLEMS = {
    "dense": parse("1x16x20x20 24@3x3 p1"),
    "stride": parse("1x16x20x20 24@3x3 s2 p1"),
    "depthwise": parse("1x16x20x20 16@3x3 p1 g16"),
    "one pixel": parse("2x130x1x1 37@1x1"),
    "sequence": parse("2x40 3@5 p2"),
}
HOTTEST = (
    "16x20x20 24@3x3 p1",
    "16x20x20 24@3x3 s2 p1",
    "5x20x20 3@3x3 p1",
    "9x3x3 2@3x3 p1",
    "16x20x20 16@3x3 p1 g16",
    "2x130x1x1 37@1x1",
)
LAYOUTS = ("nchw", "nhwc")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the roofline in no time: no test depends on it."""
    monkeypatch.setattr(roofline, "PATIENCE", 0.0)


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_can_be_looked_into(name: str) -> None:
    tried = 0
    for problem, layout in product(PROBLEMS.values(), LAYOUTS):
        candidates = choose(problem, accuracy="any", layout=layout).candidates
        (candidate,) = (each for each in candidates if each.name == name)
        if candidate.verdict and kernel_verdict(name, problem, layout):
            check_what_is_found(name, problem, layout)
            tried += 1
    assert tried


def check_what_is_found(name: str, problem: ConvProblem, layout: str) -> None:
    found = looking.inspect(problem, name, layout, repeats=1)
    assert (found.algorithm, found.layout) == (name, layout)
    assert found.benchmark.verdict
    assert found.benchmark.seconds is not None and found.benchmark.seconds > 0
    assert found.benchmark.attainable == found.roofline.over(found.problem)
    assert found.hot.function not in dict(found.spills)
    assert found.hot.products > 0
    assert found.hot.registers <= found.target_registers
    assert found.threads >= 1 and found.tasks >= 1
    sizes = {held.name: held.bytes for held in found.arrays}
    assert sizes["input"] == found.problem.input_bytes
    assert max(map(len, found.loops), default=0) <= 78
    assert found.blocking == looking.plan_of(problem, name, layout).blocking.items()


@pytest.mark.parametrize("name", KERNELS)
def test_the_hottest_function_is_one_of_the_kernels(name: str) -> None:
    tried, codes = 0, dict[str, str]()  # by the kernel's text, which several problems share
    for problem, layout in product(map(parse, HOTTEST), LAYOUTS):
        if named(name).supports(problem) and kernel_verdict(name, problem, layout):
            plan = looking.plan_of(problem, name, layout)
            text = plan.main_kernel.text
            if text not in codes:
                codes[text] = looking.machine_code(problem, name, layout)
            assert not plan.hot_function or f"\n{plan.hot_function}:" in codes[text]
            tried += 1
    assert tried


def test_loops_name_the_tile_that_runs() -> None:
    problem, layout = parse("8x30x30 3@5x5"), Layout(NHWC, (7200, 1, 240, 8))
    for name, rows in {"avx2": 6, "avx512": 12, "neon": 12}.items():
        plan = KERNELS["implicit_gemm"].plan_for(problem, layout, target_named(name), 1)
        assert plan.loops[-1].endswith(f"the register tile, {rows} × 1 vectors")
        assert plan.hot_function == f"masked_tiles_{rows}x1"


def test_loops_have_this_problems_numbers() -> None:
    found = looking.inspect(PROBLEMS["dense"], "implicit_gemm", repeats=1)
    said = "\n".join(found.loops)
    assert "24 filters" in said
    assert "144 multiply-adds of each output" in said
    assert "6 × 2" in said or "12 × 2" in said


def test_auto_is_what_auto_takes_or_a_refusal() -> None:
    problem = PROBLEMS["dense"]
    taken = choose(problem).algorithm
    if taken in KERNELS:
        assert looking.kernel_name(problem, "auto", "nchw") == taken


def test_what_has_no_kernel_is_refused_with_what_can() -> None:
    problem = PROBLEMS["dense"]
    with pytest.raises(UnsupportedError, match=r"im2col has no .*--algorithm implicit_gemm"):
        looking.kernel_name(problem, "im2col", "nchw")
    with pytest.raises(UnsupportedError, match="auto takes aten, which has no generated kernel"):
        looking.kernel_name(parse("3x8x8x8 4@3x3x3"), "auto", "nchw")
    with pytest.raises(UnsupportedError, match="direct: requires the NCHW layout"):
        looking.kernel_name(problem, "direct", "nhwc")
    with pytest.raises(UnsupportedError, match="nothing to compute"):
        looking.kernel_name(parse("0x3x8x8 4@3x3"), "auto", "nchw")
    with pytest.raises(UnknownNameError, match="nchw, nhwc"):
        looking.kernel_name(problem, "auto", "chwn")


def test_a_wrong_answer_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: object) -> object:
        return replace(verify(*given), verdict=Verdict(False, "off"))  # type: ignore[arg-type]

    monkeypatch.setattr("glassconv.benchmarks.bench.verify", wrong)
    found = looking.inspect(PROBLEMS["dense"], "implicit_gemm", repeats=1)
    assert (found.benchmark.verdict.reason, found.benchmark.seconds) == ("off", None)


def test_texts_are_llvms() -> None:
    problem = PROBLEMS["dense"]
    text = looking.llvm(problem, "implicit_gemm")
    assert text.startswith("target triple")
    assert "define void @implicit_gemm(" in text
    assert "implicit_gemm:" in looking.machine_code(problem, "implicit_gemm", "nhwc")
