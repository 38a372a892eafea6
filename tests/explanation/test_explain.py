"""explain takes a problem or a layer, runs nothing, and shows itself in three ways."""

from __future__ import annotations

import io
import tracemalloc
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from glassconv.errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    ShapeError,
    ShorthandError,
    UnsupportedError,
)
from glassconv.explanation.explain import Report, explain
from glassconv.explanation.facts import derive
from glassconv.problem.shorthand import parse
from glassconv.views.html.explanation import fragment

CONV = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)
AS_TEXT = "2x4x9x8 6@3x2 s2x1 p1x0 d1x2 g2"


# -- subjects -----------------------------------------------------------------------------------


def test_a_problem_in_either_form() -> None:
    problem = parse(AS_TEXT)
    assert explain(AS_TEXT) == explain(problem) == Report(derive(problem))


@pytest.mark.parametrize(
    "input",
    [(2, 4, 9, 8), [2, 4, 9, 8], torch.Size([2, 4, 9, 8]), torch.zeros(2, 4, 9, 8),
     np.zeros((2, 4, 9, 8), np.float32), torch.empty(2, 4, 9, 8, device="meta")],
    ids=["tuple", "list", "Size", "tensor", "NumPy", "meta"],
)  # fmt: skip
def test_a_layer_with_any_input_that_has_a_shape(input: Any) -> None:
    assert explain(CONV, input) == explain(AS_TEXT)


@pytest.mark.parametrize(
    ("layer", "input", "text"),
    [
        (nn.Conv1d(2, 3, 4, bias=False), [1, 2, 9], "2x9 3@4 nobias"),
        (nn.Conv3d(2, 3, 2, dtype=torch.float64), [5, 2, 4, 4, 4], "5x2x4x4x4 3@2x2x2 float64"),
        (nn.Conv2d(2, 3, (4, 2), padding="same"), [1, 2, 6, 6], "2x6x6 3@4x2 p1:2x0:1"),
        (nn.Conv2d(2, 3, 3, padding="valid"), [1, 2, 6, 6], "2x6x6 3@3x3"),
        (nn.Conv2d(2, 3, 3), [2, 6, 6], "2x6x6 3@3x3"),
        (nn.Conv2d(2, 3, 3, device="meta"), [1, 2, 6, 6], "2x6x6 3@3x3"),
    ],
)
def test_a_layer_is_the_problem_it_would_solve(
    layer: nn.Module, input: list[int], text: str
) -> None:
    assert explain(layer, input) == explain(text)


# -- refusals -----------------------------------------------------------------------------------


REFUSALS: list[tuple[Any, Any, type[Exception], str]] = [
    (CONV, None, ArgumentError, r"give its shape as `input`, such as \[1, 4, 32, 32\]"),
    (parse("1x4 1@3"), [1, 1, 4], ArgumentError, "leave `input` out"),
    ("1x4 1@3", [1, 1, 4], ArgumentError, "leave `input` out"),
    ("1x4 1@9", None, ShorthandError, "spans 9 positions"),
    (3, None, ArgumentTypeError, "a layer such as nn.Conv2d, or a network, not a int"),
    (nn.Linear(2, 2), [1, 2], UnsupportedError, "it calls no convolution"),
    (nn.LazyConv2d(3, 3), [1, 2, 6, 6], UnsupportedError, "no shape until"),
    (CONV, [1, 3, 9, 8], ShapeError, "the input has 3"),
    (CONV, [4, 9], ShapeError, "it has 2"),
    (CONV, [1, 4, 9, 8.5], ArgumentTypeError, "each size of `input` must be a whole number"),
    (CONV, [[1, 4], [9, 8]], ArgumentTypeError, "each size of `input` must be a whole number"),
    (CONV, "1x4x9x8", ArgumentTypeError, "a shape or an array, not a str"),
    (CONV, 9, ArgumentTypeError, "a shape or an array, not a int"),
    (CONV, torch.zeros(1, 4, 9, 8).double(), DtypeError, "float32, the input is float64"),
    (CONV.__class__(1, 1, 1, dtype=torch.complex64), [1, 1, 1, 1], DtypeError, "complex64"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "input", "error", "cause"), REFUSALS)
def test_what_cannot_be_explained_is_refused(
    subject: Any, input: Any, error: type[Exception], cause: str
) -> None:
    with pytest.raises(error, match=cause):
        explain(subject, input)


# -- nothing is executed ------------------------------------------------------------------------


class NoOperation(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fail where any operation of PyTorch is called, on tensors with or without memory."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"explain called {func}")


def no_operation() -> AbstractContextManager[TorchDispatchMode]:
    return NoOperation()  # type: ignore[no-untyped-call]


def test_operations_are_noticed() -> None:
    with pytest.raises(AssertionError, match="explain called aten"), no_operation():
        torch.zeros(1, device="meta")


@pytest.mark.parametrize("text", ["4096x4096x4096 4096@3x3", "1x4000000000 1@3", "8x9x9 8@3x3 g8"])
def test_a_problem_is_explained_without_executing_it(text: str) -> None:
    with no_operation():
        assert explain(text).facts.problem == parse(text)


def test_a_layer_is_explained_without_executing_it() -> None:
    with no_operation():
        assert explain(CONV, [2, 4, 9, 8]) == explain(AS_TEXT)


def test_no_array_of_data_is_allocated() -> None:
    problem = parse("4096x4096x4096 4096@3x3")
    tracemalloc.start()
    report = explain(problem)
    text, page, document = str(report), report._repr_html_(), report.to_json()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < min(problem.input_bytes, problem.weight_bytes, problem.output_bytes)
    assert all((text, page, document))


# -- the report ---------------------------------------------------------------------------------


def test_a_report_shows_itself() -> None:
    report = explain("3x32x32 4@5x5")
    assert repr(report) == "explain('1x3x32x32 4@5x5 s1 p0')"
    assert eval(repr(report)) == report
    terminal = Console(width=80, file=io.StringIO())
    with terminal.capture() as captured:
        terminal.print(report)
    assert str(report) == "\n".join(line.rstrip() for line in captured.get().splitlines())
    assert "28" in str(report)
    assert report._repr_html_() == fragment(report.facts)
    assert Report.from_json(report.to_json()) == report
