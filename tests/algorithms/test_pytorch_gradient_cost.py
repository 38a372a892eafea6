"""PyTorch's gradients are predicted by the ratio that was measured for their kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glassconv.algorithms.parts import pytorch_cost
from glassconv.algorithms.parts.pytorch_gradient_cost import KINDS, measure, of_input, of_weight
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import parse_transposed
from support.fixed_machine import FIXED

RATIOS = {kind: 2.0 + place for place, kind in enumerate(KINDS)}
MACHINE = replace(FIXED, pytorch=replace(FIXED.pytorch, gradients=tuple(RATIOS.items())))


@pytest.mark.parametrize("layout", [NCHW, NHWC])
@pytest.mark.parametrize(
    ("shorthand", "kind"),
    [
        ("8x64x56x56 64@3x3 p1", "dense"),
        ("8x64x56x56 64@1x1", "pointwise"),
        ("8x64x56x56 64@3x3 p1 g64", "depthwise"),
    ],
)
def test_a_kind_that_was_timed_takes_its_ratio(shorthand: str, kind: str, layout: str) -> None:
    problem, strided = parse(shorthand), parse(f"{shorthand} s2")
    forward, of_strided = (
        pytorch_cost.seconds(each, layout, MACHINE) for each in (problem, strided)
    )
    ratio = RATIOS[f"weight, {kind} {layout}"]
    reordered = pytorch_cost.reorder_seconds(problem, layout, MACHINE)
    assert 0 < reordered < forward
    expected = ratio * (forward - reordered) + reordered  # the weight's gradient is reordered once
    assert of_weight(problem, layout, MACHINE) == pytest.approx(expected)
    assert of_input(problem, layout, MACHINE) == forward
    ratio = RATIOS[f"strided input, {kind} {layout}"]
    assert of_input(strided, layout, MACHINE) == pytest.approx(ratio * of_strided)


def test_other_kinds_take_as_long_as_the_forward_call() -> None:
    for problem in (
        parse("8x64x56x56 64@3x3 p1 float64"),
        parse("4x8x30x30 8@3x3 p1 bfloat16"),
        parse_transposed("16x24x24 8@4x4 s2 p1 transposed"),
    ):
        forward = pytorch_cost.seconds(problem, NCHW, MACHINE)
        assert of_weight(problem, NCHW, MACHINE) == forward
        assert of_input(problem, NCHW, MACHINE) >= forward


def test_every_kind_is_timed() -> None:
    ratios = measure()
    assert tuple(ratios) == KINDS
    assert min(ratios.values()) > 0
