"""Every report prints what the terminal shows, and is a short piece of HTML in a notebook."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import cache

import pytest
from torch import nn

import glassconv
from glassconv.algorithms import ALGORITHMS, named
from glassconv.display import view
from glassconv.problem.operands import random_operands
from glassconv.reports.benchmark import LayerBenchmark
from glassconv.reports.shown import Shown
from glassconv.reports.verdict import Verdict
from glassconv.views.html.rich_html import ROOT
from support.fixed_machine import FIXED

PROBLEM = glassconv.parse("4x9x9 6@3x3 g2")
LARGE = glassconv.parse("64x80x80 32@3x3 p1")
NAMES = "trace backward verify same compare choose machine bench swap tiles".split()
REPORT = pytest.mark.parametrize("name", NAMES)


@cache
def report(name: str) -> Shown:
    operands = random_operands(PROBLEM)
    output = glassconv.trace(PROBLEM, "direct", operands).output
    made: dict[str, Shown] = {
        "trace": glassconv.trace(LARGE, "im2col"),
        "backward": glassconv.backward(glassconv.parse("2x9 3@3 s2")),
        "verify": glassconv.verify(PROBLEM, "im2col"),
        "same": glassconv.same(PROBLEM),
        "compare": glassconv.judge(
            PROBLEM, "mine", output, operands, named("direct").error_bound(PROBLEM)
        ),
        "choose": glassconv.choose(PROBLEM),
        "machine": FIXED,
        "bench": LayerBenchmark(PROBLEM, 1, "im2col", Verdict(True, "within"), 1e-3, 2e-3),
        "swap": glassconv.nn.swap(nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(40)))),
        "tiles": glassconv.plan_tiles(nn.Conv2d(3, 8, 3), [1, 3, 4096, 4096], "100 MB"),
    }
    return made[name]


@REPORT
def test_str_is_the_terminals_text(name: str) -> None:
    from rich.console import Console

    console = Console(width=80, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(report(name))
    printed = [line.rstrip() for line in captured.get().splitlines()]
    assert str(report(name)) == "\n".join(printed)
    assert len(printed) < 120
    assert max(map(len, printed)) <= 80


@REPORT
def test_a_notebook_gets_one_short_piece_of_html(name: str) -> None:
    html = report(name)._repr_html_()
    assert html.startswith(f'<div class="{ROOT}"')
    assert html.count("<div") == html.count("</div>")
    assert html.count("<td") == html.count("</td>")
    assert len(html) < 40_000
    assert "<script" not in html


@REPORT
def test_the_repr_is_a_line_or_two_of_facts_not_of_numbers(name: str) -> None:
    # A choice has the facts of each candidate, of which a new algorithm is one more.
    most = 700 * len(ALGORITHMS) if name == "choose" else 4_000
    assert len(repr(report(name))) < most
    assert "array(" not in repr(report(name))


def test_what_an_array_leaves_out_is_stated() -> None:
    assert "shown: rows 1 to 3 of 82, columns 1 to 6 of 82, the first of 64 planes" in str(
        report("trace")
    )


def test_html_is_escaped() -> None:
    failed = LayerBenchmark(PROBLEM, 1, "im2col", Verdict(False, "<script>"), None, None)
    assert "&lt;script&gt;" in failed._repr_html_()


def test_a_report_without_a_view_is_refused() -> None:
    @dataclass(frozen=True)
    class Unknown(Shown):
        """A report that no view shows."""

    with pytest.raises(TypeError, match="no view shows a Unknown"):
        view(Unknown())


def test_a_view_is_imported_when_its_report_is_shown() -> None:
    program = (
        "import sys, glassconv; t = glassconv.trace(glassconv.parse('1x4 1@3')); "
        "assert not [m for m in sys.modules if m == 'rich' or m.startswith('glassconv.views.')]; "
        "assert str(t)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
