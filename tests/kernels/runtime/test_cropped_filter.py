"""A filter is cropped to the taps that reach the input, and no output changes by that."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glassconv.algorithms import named
from glassconv.kernels import KERNELS, kernel_verdict
from glassconv.kernels.runtime import cropped_filter
from glassconv.kernels.runtime.cropped_filter import crop
from glassconv.problem import ConvProblem
from glassconv.problem.axis import PADDING, Axis
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from glassconv.problem.operands import random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.verification.verify import judge

PLANES = [
    "16x3x3 2@31x31 p15",
    "16x3x3 2@31x31 p15 float64",
    "6x5x40 7@21x3 p10",
    "4x9x9 8@31x31 p30 d2",
    "32x6x5 32@31x31 p15 g32",
    "16x5x5 6@31x31 p15 bfloat16",
    "32x8x9 4@21x21 p30 s2 d3",
]
PROBLEMS = [*PLANES, "32x90 5@301 p150"]
AXES = st.builds(
    Axis,
    input_size=st.integers(1, 12),
    kernel_size=st.integers(1, 30),
    stride=st.integers(1, 5),
    padding=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    dilation=st.integers(1, 5),
)


def problem_of_axis(axis: Axis) -> ConvProblem:
    return ConvProblem(
        1,
        2,
        3,
        (axis.input_size,),
        (axis.kernel_size,),
        (axis.stride,),
        (axis.padding,),
        (axis.dilation,),
    )


@settings(max_examples=500)
@given(AXES)
def test_the_taps_left_read_what_the_filter_read(axis: Axis) -> None:
    assume(axis.output_size >= 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cropped_filter, "MACS_PER_CHECK", -(10**9))
        cropped = crop(problem_of_axis(axis)).axes[0]
    assert cropped.output_size == axis.output_size
    before, after = axis.tap_map(), cropped.tap_map()
    for output in range(axis.output_size):
        assert [*before[output][before[output] != PADDING]] == [
            *after[output][after[output] != PADDING]
        ]


def test_few_taps_are_left_of_a_filter_on_padding() -> None:
    assert crop(parse("16x3x3 2@31x31 p15")) == parse("16x3x3 2@5x5 p2")
    whole = parse("64x56x56 64@3x3 p1")
    assert crop(whole) is whole


@pytest.mark.parametrize(
    ("text", "layout"), [*((text, NCHW) for text in PROBLEMS), *((text, NHWC) for text in PLANES)]
)
def test_kernels_of_a_cropped_filter_are_within_the_bounds(text: str, layout: str) -> None:
    problem, tried = parse(text), 0
    assert crop(problem.widened()) != problem.widened()
    operands = random_operands(problem)
    for kernel in KERNELS.values():
        if kernel.transposed or not kernel_verdict(kernel.name, problem, layout):
            continue
        plan = kernel.plan(problem, contiguous(problem, layout))
        input = operands.input
        if layout == NHWC:
            input = input.contiguous(memory_format=torch.channels_last)
        output = to_numpy(plan(input, operands.weight, operands.bias))
        bound = named(kernel.name).error_bound(problem)
        judged = judge(problem, kernel.name, output, operands, bound)
        assert judged.verdict, f"{kernel.name}: {judged.verdict.reason}"
        tried += 1
    assert tried


def test_a_changed_weight_is_cropped_anew() -> None:
    problem = parse("16x3x3 2@31x31 p15 nobias")
    operands = random_operands(problem)
    plan = KERNELS["implicit_gemm"].plan(problem, contiguous(problem))
    first = plan(operands.input, operands.weight, None).clone()
    operands.weight[:, :, 15, 15] *= 2
    expected = torch.nn.functional.conv2d(operands.input, operands.weight, padding=15)
    second = plan(operands.input, operands.weight, None)
    assert not torch.equal(first, second)
    torch.testing.assert_close(second, expected)
