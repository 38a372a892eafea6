"""The text says each fact, in 80 columns, and plainly where it is piped."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import cache

import pytest
from rich.console import Console

from glassconv.explanation.facts import derive
from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse
from glassconv.reports.explanation import Explanation
from glassconv.views.terminal.explanation import explained
from support.cases import CASES

CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)


def printed(facts: Explanation) -> list[str]:
    """Return the lines that are printed into a pipe."""
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as captured:
        console.print(explained(facts))
    return [line.rstrip() for line in captured.get().splitlines()]


@cache
def lines(problem: ConvProblem | str) -> list[str]:
    """Return the lines that are printed of a problem."""
    return printed(derive(parse(problem) if isinstance(problem, str) else problem))


def said(problem: ConvProblem | str) -> str:
    """Return what is printed, its lines joined where they were broken."""
    return re.sub(r"\s+", " ", " ".join(lines(problem)))


@CASE
def test_every_line_fits_and_none_is_cut(problem: ConvProblem) -> None:
    assert max(map(len, lines(problem))) <= 80
    assert "…" not in "".join(lines(problem))


@CASE
def test_every_algorithm_and_every_snippet_is_there(problem: ConvProblem) -> None:
    facts = derive(problem)
    for algorithm in facts.algorithms:
        assert any(algorithm.name in line.split() for line in lines(problem))
    for snippet in facts.code:
        for line in snippet.code.splitlines():
            assert f"    {line}".rstrip() in lines(problem)


def test_a_pipe_gets_no_colours() -> None:
    assert "\x1b" not in "".join(lines("64x56x56 64@3x3 p1"))


def test_the_sections_stand_in_order() -> None:
    headings = [line for line in lines("64x56x56 64@3x3 p1") if line.endswith("──")]
    titles = [heading.rstrip("─ ") for heading in headings if heading[0].isdigit()]
    assert titles == [
        "1  Output size", "2  One matrix product", "3  Arithmetic", "4  Memory",
        "5  Algorithms", "6  Equivalent code",
    ]  # fmt: skip
    assert "2  4 matrix products, one per group ──" in "\n".join(lines("4x6x6 4@3x3 g4"))


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        # the size of the output
        ("64x56x56 64@3x3 p1", "height floor((56 + 2·1 − 1·(3 − 1) − 1) / 1) + 1 = 56"),
        ("64x56x56 64@3x3 p1", "1 before and 1 after on every axis; the same as padding='same'"),
        ("2x11 3@4 psame",
         "padding 1 before and 2 after; the same as padding='same', which adds the odd one"),
        ("3x9x9 2@3x2", "'same' would add height 1 before and 1 after; width 0 before and 1 after"),
        ("3x9x9 2@3x3 s2", "on every axis; PyTorch supports it with stride 1 only, not 2 unused"),
        ("3x9x9 2@3x3 s2x1", "PyTorch supports it with stride 1 only, not 2 × 1"),
        ("3x9x9 2@3x3 s2", "unused pixels none"),
        ("3x8x9 2@3x3 s2", "unused pixels height: the last, since the division rounds down recep"),
        ("3x7x9 2@3x3 s2 p0:1x0", "height: the last (padding only), since the division rounds"),
        ("1x9 2@4 s5 p0:1", "length: the last (padding only), since the division rounds down"),
        ("1x9 2@2 s6 p0:1", "length: the last 2 (1 of them padding), since the division rounds "
                            "down length: 4 between the taps"),
        ("2x9x9 3@2x2 s3", "height: 2 between the taps"),
        ("3x9x9 2@3x3 d2 s2x1", "receptive field 5 × 5 of the input, of which the taps read 3 × 3; "
                                "the next output's window starts 2 × 1 pixels later"),
        # the product
        ("64x56x56 64@3x3 p1", "(64 × 576) · (576 × 3,136)"),
        ("64x56x56 64@3x3 p1", "k = channels · taps 64 · 3 · 3 = 576"),
        ("64x56x56 64@3x3 p1", "[576, 3136], 7.225 MB: the im2col matrix, 9 × the input"),
        ("5x4x6x6 6@3x3 g2", "m = filters 6 / 2 = 3 n = windows 5 · 4 · 4 = 80 "
                             "k = channels · taps 4 / 2 · 3 · 3 = 18"),
        # arithmetic
        ("64x56x56 64@3x3 p1", "outputs 1 · 64 · 56 · 56 = 200,704"),
        ("64x56x56 64@3x3 p1", "MACs 200,704 · 576 = 115,605,504"),
        ("64x56x56 64@3x3 p1", "FLOPs 2 · 115,605,504 = 231,211,008"),
        ("64x56x56 64@3x3 p1", "bias 200,704 additions, not in the FLOPs; 231,411,712 with them"),
        ("64x56x56 64@3x3 p1 nobias", "bias none"),
        ("64x56x56 64@3x3 p1", "2.4% of the multiplications touch padding; they are counted"),
        ("64x56x56 64@3x3", "no multiplication touches padding"),
        ("64x56x56 64@3x3", "torch.utils.flop_counter agrees; it counts no bias 4"),
        ("64x56x56 64@3x3 nobias", "torch.utils.flop_counter agrees 4"),
        ("4x6x6 6@3x3 g2", "agrees on the forward pass and input gradient; it counts 6,912 for the "
                           "weight gradient, 2 × as many, as if there were no groups"),
        # memory
        ("64x56x56 64@3x3 p1",
         "950.3 kB of input and weight, saved by the forward pass, + 1.753 MB of gradients = 2.7"),
        ("64x56x56 64@3x3 p1", "231,211,008 FLOPs / 1,753,088 bytes"),
        # algorithms
        ("64x56x56 64@3x3 p1", "✓ aten 115.6 M 115.8 M 0 B 3.44e-05 arithmetic 100%"),
        ("64x56x56 64@3x3 p1 bfloat16",
         "auto selects winograd4 depthwise needs one input channel per group"),
    ],
)  # fmt: skip
def test_what_is_said(problem: str, sentence: str) -> None:
    assert sentence in said(problem)


def test_what_may_not_run_is_crossed_out_with_its_reason() -> None:
    facts = derive(parse("64x56x56 64@3x3 p1"))
    [rough] = [each for each in facts.algorithms if each.name == "winograd6"]
    assert rough.supported
    assert not rough.runs
    shown = lines("64x56x56 64@3x3 p1")
    assert any(line.split()[:2] == ["✗", "winograd6"] for line in shown)
    assert f"winograd6 {rough.runs.reason}" in " ".join(" ".join(shown).split())


def test_no_promise_and_no_choice_are_said() -> None:
    facts = derive(parse("3x9x9 2@3x3"))
    careless = tuple(
        replace(each, bound=each.bound and replace(each.bound, factor=None))
        for each in facts.algorithms
    )
    shown = printed(replace(facts, algorithms=careless, chosen=None))
    said = "auto selects none: no algorithm fits in memory".split()
    assert any(line.split() == said for line in shown)
    [row] = [line for line in shown if "✓  aten" in line]
    assert "  none  " in row
