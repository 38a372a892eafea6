"""Each snippet runs as it is printed, and computes what the definition does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given

from glassconv.explanation.code_examples import WIDTH, snippets
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands
from glassconv.problem.shorthand import parse
from glassconv.reports.error_bound import sum_of_products_bound
from glassconv.verification.verify import judge
from support.cases import CASES
from support.random_problems import problems

CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)


def run(problem: ConvProblem, *, loops_on_tensors: bool = False) -> tuple[Operands, dict[str, Any]]:
    """Run a problem's snippets one after the other; return the operands and each one's y."""
    names: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    torch.manual_seed(0)
    for snippet in snippets(problem):
        if (
            snippet.name == "loops" and not loops_on_tensors
        ):  # the same loops, a hundred times faster
            names |= {name: names[name].numpy() for name in "xwb" if name in names}
        names.pop("y", None)
        exec(snippet.code, names)
        if snippet.name == "layer":
            operands = Operands(names["x"], names["w"], names.get("b"))
        outputs[snippet.name] = names["y"].detach()
    return operands, outputs


def check(problem: ConvProblem, operands: Operands, outputs: dict[str, Any]) -> None:
    operands.check(problem)
    bound = sum_of_products_bound(problem.taps_per_output, problem.format)
    assert list(outputs) == ["layer", "einsum", "unfold", "loops"]
    for name, output in outputs.items():
        assert output.dtype == getattr(torch, problem.dtype)
        assert output.shape == problem.output_shape
        verification = judge(problem, name, output.numpy(), operands, bound)
        assert verification.verdict, f"{name}: {verification.verdict.reason}"


@CASE
def test_every_snippet_computes_the_definition(problem: ConvProblem) -> None:
    in_float64 = replace(problem, dtype="float64")
    check(in_float64, *run(in_float64))


@given(problems(dtypes=["float64"]))
def test_random_problems_too(problem: ConvProblem) -> None:
    check(problem, *run(problem))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_element_type_runs_as_printed(dtype: str) -> None:
    _, outputs = run(parse(f"2x4 2@2 p1 {dtype}"), loops_on_tensors=True)
    assert {output.dtype for output in outputs.values()} == {getattr(torch, dtype)}


def test_the_loops_leave_the_operands_alone() -> None:
    """On tensors, `total += …` writes into its own number, never into x, w or b."""
    operands, outputs = run(parse("2x4 2@2 float64"), loops_on_tensors=True)
    check(parse("2x4 2@2 float64"), operands, outputs)


@CASE
def test_every_line_fits_a_terminal(problem: ConvProblem) -> None:
    for snippet in snippets(problem):
        assert max(map(len, snippet.code.splitlines())) <= WIDTH


def test_a_call_too_long_for_a_line_has_an_argument_on_each() -> None:
    problem = parse("4x9x11x8 6@3x2x2 s2x3x1 p1x0x2 d2x1x1 g2 nobias float64")
    code = snippets(problem)[0].code
    assert (
        "nn.Conv3d(\n    4, 6, (3, 2, 2),\n    stride=(2, 3, 1),\n    padding=(1, 0, 2),\n" in code
    )


def test_what_is_usual_is_not_said() -> None:
    assert "nn.Conv2d(3, 4, 5)\n" in snippets(parse("3x32x32 4@5x5"))[0].code
    assert "nn.Conv1d(3, 4, 5, bias=False)\n" in snippets(parse("3x32 4@5 nobias"))[0].code


def test_the_loops_are_counted() -> None:
    for text, title, loops in (
        ("1x4 1@2", "Five loops", 5),
        ("1x4x4 1@2x2", "Seven loops", 7),
        ("1x4x4x4 1@2x2x2", "Nine loops", 9),
    ):
        snippet = snippets(parse(text))[3]
        assert snippet.title == title
        assert snippet.code.count("for ") == loops


def test_unfold_is_pytorchs_where_it_has_one() -> None:
    titles = [snippets(parse(text))[2].title for text in ("1x4 1@2", "1x4x4 1@2x2")]
    assert titles == ["Tensor.unfold, matmul, view", "F.unfold, matmul, view"]


def test_no_line_is_longer_than_the_terminal_shows() -> None:
    problem = parse("2x64x90x90x90 64@3x2x1 s2x1x1 p10:0x10x20 d1x2x1 g2 float16")
    for snippet in snippets(problem):
        assert max(map(len, snippet.code.splitlines())) <= WIDTH, snippet.name
