"""What `glassconv verify` prints: 80 columns, every figure, and failures that stand out."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import cache

import pytest
from rich.console import Console

from glassconv.dispatch.select import choose
from glassconv.problem.shorthand import parse
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import Verification
from glassconv.verification.compare_unfold import same
from glassconv.verification.running_bounds import running_bounds
from glassconv.verification.stress_inputs import STRESS_INPUTS, run_stress_inputs
from glassconv.views.terminal.verification import _why_not_close, render_verification
from support.supported_cases import supporting

INPUTS = {kind: stress.about for kind, stress in STRESS_INPUTS.items()}


@cache
def printed(text: str, verdict: Verdict | None = None) -> str:
    """Return the page of a problem; a verdict is put upon im2col's result on whole numbers."""
    problem = parse(text)
    results: dict[str, list[Verification]] = {kind: [] for kind in STRESS_INPUTS}
    for kind, found in run_stress_inputs(problem, supporting(problem)):
        mine = verdict is not None and (kind, found.candidate) == ("integers", "im2col")
        results[kind].append(
            replace(found, verdict=verdict) if mine and verdict is not None else found
        )
    pytorch = next(each for each in results["random"] if each.candidate == "aten")
    unable = [each for each in choose(problem).candidates if not each.verdict]
    console = Console(width=80, file=io.StringIO())
    bounds = running_bounds(problem)
    console.print(
        *render_verification(problem, results, pytorch, unable, same(problem), bounds, INPUTS),
        sep="\n",
    )
    page = console.file
    assert isinstance(page, io.StringIO)
    return page.getvalue()


def test_an_empty_batch_has_no_overflow() -> None:
    problem = parse("0x3x8x8 2@3x3")
    results: dict[str, list[Verification]] = {}
    for kind, found in run_stress_inputs(problem, ["im2col"]):
        results.setdefault(kind, []).append(found)
    console = Console(width=80)
    with console.capture() as captured:
        console.print(
            *render_verification(problem, results, results["random"][0], [], None, None, INPUTS),
            sep="\n",
        )
    [row] = [line for line in captured.get().splitlines() if line.count("empty")]
    assert row.split() == ["im2col", *["empty"] * (len(STRESS_INPUTS) - 1)]


def test_in_float64_no_output_is_called_exact() -> None:
    page = printed("4x9 4@3 g4 p1 float64")
    assert "The definition itself is rounded in float64" in page
    assert not re.search(r"direct .*exact", page)
    assert re.search(r"direct .*equal", page)
    assert "itself is rounded" not in printed("4x9 4@3 g4 p1")


def test_half_precision_needs_no_cancellation_to_part_from_allclose() -> None:
    said = _why_not_close(parse("4x9 4@3 g4 p1 bfloat16"))
    assert said == "A single rounding, 0.0039 of the result, can exceed the tolerance."
    assert "Strong cancellation" in printed("64x14x14 64@3x3 p1")


def test_what_does_not_differ_is_called_the_same() -> None:
    page = printed("4x9 4@3 g4 p1 bfloat16")
    assert "weight gradients  bitwise equal" in page
    assert "difference 0 " not in page


@pytest.mark.parametrize("problem", ["64x14x14 64@3x3 p1", "3x8x8 4@3x3 float16", "4x9x9 4@3x3 g4"])
def test_it_fits_80_columns_and_cuts_nothing(problem: str) -> None:
    page = printed(problem)
    assert max(map(len, page.splitlines())) <= 80
    assert "…" not in page
    assert str(parse(problem)) in page
    assert all(kind in page for kind in list(STRESS_INPUTS)[1:])


def test_it_answers_the_question() -> None:
    page = printed("64x14x14 64@3x3 p1")
    assert "Is Conv2d the same as unfold + matmul?" in page
    assert "Equal up to rounding." in page
    assert "torch.allclose    False" in page
    assert "input gradients" in page
    assert "All outputs that have an error bound are within it" in page


def test_plain_sums_of_whole_numbers_are_exact() -> None:
    row = next(line for line in printed("3x8x8 4@3x3").splitlines()[20:] if " im2col " in line)
    assert "exact" in row


def test_a_failure_is_said_where_it_happened() -> None:
    page = printed("3x8x8 4@3x3", Verdict(False, "an element is off by 7 × its bound"))
    assert "✗ im2col (integers): an element is off by 7 × its bound" in page
    assert "All outputs" not in page


def test_what_aten_may_spread_in_low_precision_is_said() -> None:
    said = "aten: PyTorch's bfloat16 kernels may multiply a neighbouring NaN or infinity"
    assert said in printed("3x8x8 4@3x3 p1 bfloat16")
    assert "neighbouring NaN" not in printed("3x8x8 4@3x3 p1")
