"""What `glassconv optimize` prints: every step in 80 columns, more of each in a wide terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from glassconv.reports.benchmark import Roofline
from glassconv.reports.plan import (
    LayerError,
    ListedOperation,
    PassFacts,
    PassReport,
    PlanMemory,
    PlanReport,
    StepFacts,
)

NAME = "2.a_rather_long_name_of_a_convolution"
CONVOLUTION = StepFacts(
    NAME, "winograd_pieces", "", "1x64x56x56 64@3x3 s2 p1 nobias", 57_802_752, "arena", 4_815_232,
    602_112, "cat", 159e-6, 385e-6, 1.134, LayerError(7.1e-7, 5.2e-7),
)  # fmt: skip
KEPT = StepFacts(
    "sum", "aten.cumsum.default", "no kernel computes it", "", 0, "result", None, 4000, "", None,
    1e-3, None, None,
)  # fmt: skip
REPORT = PlanReport(
    "small", ((1, 3, 224, 224),), ((1, 1000),), "default", "nhwc", 2,
    (PassFacts("unused", 1069, 49),), (CONVOLUTION, KEPT), 1.2e-3,
    Roofline(5.32e11, 4.43e10, 2, "float32"), PlanMemory(1000, 2000, 3000, 4000, 5000), 2.1e-7,
    3.2e-7, 1.5e-6, "",
)  # fmt: skip
CONV = ListedOperation("0", "conv2d", (("padding", "1"),), ("input",), ((1, 8, 9, 9),))
RELU = ListedOperation("1", "relu", (), ("0",), ((1, 8, 9, 9),))
FUSED = replace(CONV, arguments=(*CONV.arguments, ("activation", "relu")))
PASS = PassReport("small", "fuse_epilogue", "Fuse an activation.", (CONV, RELU), (FUSED,))


def text(report: PlanReport | PassReport, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(report)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 150])
def test_it_fits_and_has_every_number(width: int) -> None:
    lines = text(REPORT, width).splitlines()
    assert max(map(len, lines)) <= width
    (row,) = (line for line in lines if "winograd_pieces" in line)
    for each in ("159 µs", "385 µs", "113 %", "7e-07", "5e-07"):
        assert each in row
    assert any("1,069" in line and "49" in line for line in lines)
    assert any(line.split() == ["predicted", "peak", "15.0", "kB"] for line in lines)
    assert any("1.2 ms; steps one by one 1.39 ms" in line for line in lines)


def test_a_wide_terminal_has_problems_and_buffers_as_well() -> None:
    assert "4,815,232" not in text(REPORT, 80)
    written = text(REPORT, 150)
    row = next(line for line in written.splitlines() if NAME in line)
    assert "1x64x56x56 64@3x3 s2 p1 " in row
    assert "4,815,232" in row
    assert "602 kB" in row


def test_what_stays_with_pytorch_is_listed_with_its_reason() -> None:
    written = " ".join(text(REPORT, 80).split())
    assert "PyTorch computes aten.cumsum.default: no kernel computes it" in written


def test_concatenations_are_listed_with_the_steps_that_write_into_them() -> None:
    written = text(replace(REPORT, steps=(CONVOLUTION, CONVOLUTION, KEPT)), 80)
    assert "cat is one buffer: 2 steps write into its slices" in written
    assert "cat is one buffer: 1 step writes into its slices" in text(REPORT, 80)


def test_why_there_are_no_errors_is_said() -> None:
    report = replace(REPORT, error=None, unknown_error="RuntimeError: no float64")
    written = text(report, 80)
    assert "RuntimeError: no float64" in written
    assert "network's error" not in written


def test_a_pass_marks_what_it_changes() -> None:
    lines = [line.rstrip() for line in text(PASS, 80).splitlines()]
    assert lines == [
        "small: fuse_epilogue",
        "Fuse an activation.",
        "",
        "before: 2 operations",
        "− 0 conv2d(input, padding=1) → [1, 8, 9, 9]",
        "− 1 relu(0)                  → [1, 8, 9, 9]",
        "",
        "after: 1 operations",
        "+ 0 conv2d(input, padding=1, activation=relu) → [1, 8, 9, 9]",
    ]


def test_a_long_name_is_not_cut() -> None:
    long = replace(PASS, before=(replace(CONV, name=NAME * 3),))
    assert "…" not in text(long, 60)
    lines = text(long, 60).splitlines()[4:10]
    assert "".join(line[2:24].strip() for line in lines).startswith(NAME * 3)
