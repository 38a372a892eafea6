"""An explanation of a transposed convolution: PyTorch's sizes and counts, and code that runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import glassconv
from glassconv.explanation.explain import Report, explain
from glassconv.explanation.transposed_code_examples import transposed_snippets
from glassconv.problem.transposed import TransposedProblem, parse_transposed
from support.cases import TRANSPOSED_CASES
from support.references import whole_numbers

TORCH = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
CASE = pytest.mark.parametrize("text", [*TRANSPOSED_CASES, "2x5x6 3@3x2 s2 p0:1x1:0 transposed"])


def options(problem: TransposedProblem) -> dict[str, Any]:
    return {
        "stride": problem.stride,
        "output_padding": problem.output_padding,
        "groups": problem.groups,
        "dilation": problem.dilation,
    }


@CASE
def test_every_example_computes_pytorchs_transposed_convolution(text: str) -> None:
    """In whole numbers and float64, in which every sum is exact."""
    problem = parse_transposed(text)
    given = whole_numbers(problem)
    names: dict[str, Any] = {}
    outputs = {}
    for snippet in transposed_snippets(problem):
        names.pop("y", None)
        exec(snippet.code, names)
        if snippet.name == "layer":
            assert names["x"].shape == problem.input_shape
            assert names["w"].shape == problem.weight_shape
            names |= {"x": given.input, "w": given.weight, "b": given.bias}
        else:
            outputs[snippet.name] = names["y"]
        assert names["y"].shape == problem.output_shape
    full = TORCH[problem.ndim - 1](given.input, given.weight, given.bias, **options(problem))
    kept = [slice(None), slice(None)]
    for (before, _), size in zip(problem.padding, problem.output_size, strict=True):
        kept.append(slice(before, before + size))
    for output in outputs.values():
        assert torch.equal(output, full[tuple(kept)])
    assert "zeros" in outputs


@CASE
def test_macs_are_what_pytorch_counts(text: str) -> None:
    problem = parse_transposed(text)
    given = whole_numbers(problem)
    with FlopCounterMode(display=False) as counter:
        TORCH[problem.ndim - 1](given.input, given.weight, None, **options(problem))
    counted = counter.get_total_flops()
    assert explain(problem).facts.arithmetic.torch.forward == counted
    assert counted == problem.flops


def test_the_example_of_a_depthwise_layer() -> None:
    layer = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=4)
    report = explain(layer, [1, 4, 8, 8])
    assert isinstance(report, Report)
    assert report.facts.arithmetic.macs == 2304
    assert report == explain("4x8x8 4@3x3 s2 p1 g4 transposed o1")
    assert "(8 − 1)·2 − 2·1 + 1·(3 − 1) + 1 + 1 = 16" in str(report)
    assert all(len(line) <= 80 for line in str(report).splitlines())


@CASE
def test_products_per_output_are_the_most_that_meet_an_input(text: str) -> None:
    problem = parse_transposed(text)
    ones = torch.ones(problem.input_shape), torch.ones(problem.weight_shape)
    wide = TORCH[problem.ndim - 1](*ones, **(options(problem) | {"output_padding": 0}))
    assert wide.max() <= problem.products_per_output


@CASE
def test_it_is_written_as_json_and_read_back(text: str) -> None:
    report = explain(text)
    assert Report.from_json(report.to_json()) == report
    assert json.loads(report.to_json())["transposed"]["stride"]


@CASE
@pytest.mark.parametrize("algorithm", ["aten", "im2col"])
def test_a_trace_ends_with_the_output(text: str, algorithm: str) -> None:
    problem = parse_transposed(text)
    traced = glassconv.trace(problem, algorithm)
    assert traced.subject == problem
    assert traced.output.shape == problem.output_shape
    names = [step.name for step in traced.steps]
    assert names[:2] == (["output"] if algorithm == "aten" else ["zero_inserted", "flipped"])
