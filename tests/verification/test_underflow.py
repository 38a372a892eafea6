"""Underflow: the bound covers bfloat16 instructions that take subnormal numbers as zero.

They are modelled, so that the bound is tested on every processor.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from glassconv.algorithms import named
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.operands import Operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.reports.error_bound import ErrorBound, gradual_underflow
from glassconv.reports.verification import Verification
from glassconv.verification.stress_inputs import STRESS_INPUTS
from glassconv.verification.verify import judge
from support import vdpbf16ps
from support.random_problems import problems
from support.references import by_torch

FINITE = sorted(set(STRESS_INPUTS) - {"NaN, ∞"})
REPORTED = ["1x1 1@1 bfloat16", "1x9x6 15@3 s2 p3 g3 nobias bfloat16"]


def gradual(problem: ConvProblem) -> ErrorBound:
    """Return the bound without flushing: underflow as IEEE 754 has it."""
    bound = named("aten").error_bound(problem)
    return replace(bound, underflow=gradual_underflow(problem.taps_per_output + 1, problem.format))


def judged(problem: ConvProblem, operands: Operands, bound: ErrorBound) -> Verification:
    output = to_numpy(vdpbf16ps.convolve(problem, operands))
    return judge(problem, "vdpbf16ps", output, operands, bound)


@given(problems(dtypes=["bfloat16"]), st.sampled_from(FINITE), st.integers(0, 99))
def test_the_bound_holds_where_subnormal_numbers_become_zero(
    problem: ConvProblem, kind: str, seed: int
) -> None:
    assume(problem.batch and problem.macs <= 50_000)
    operands = STRESS_INPUTS[kind].make(problem, seed)
    found = judged(problem, operands, named("aten").error_bound(problem))
    assert found.verdict, found.verdict.reason


@given(problems(dtypes=["bfloat16"]), st.integers(0, 99), st.integers(-140, -120))
def test_the_bound_holds_where_products_and_sums_become_zero(
    problem: ConvProblem, seed: int, exponent: int
) -> None:
    """Pixels and weights are normal numbers, their products lie about the smallest one."""
    assume(problem.batch and problem.macs <= 50_000)
    operands = STRESS_INPUTS["random"].make(problem, seed)
    scale = 2.0 ** (exponent / 2)
    bias = None if operands.bias is None else torch.zeros_like(operands.bias)
    small = Operands(operands.input * scale, operands.weight * scale, bias)
    found = judged(problem, small, named("aten").error_bound(problem))
    assert found.verdict, found.verdict.reason


@pytest.mark.parametrize("text", REPORTED)
def test_gradual_underflow_does_not_explain_flushing(text: str) -> None:
    problem = parse(text)
    operands = STRESS_INPUTS["subnormal"].make(problem, 0)
    flushed = judged(problem, operands, gradual(problem))
    assert not flushed.verdict
    assert flushed.share > 1
    assert judged(problem, operands, named("aten").error_bound(problem)).verdict


def test_the_model_is_a_convolution() -> None:
    problem = parse("2x6x9x8 4@3x2 s2 p1 g2 bfloat16")
    operands = STRESS_INPUTS["integers"].make(problem, 0)
    assert torch.equal(vdpbf16ps.convolve(problem, operands), by_torch(problem, operands))


def test_only_bfloat16_flushes() -> None:
    for dtype in FORMATS:
        bound = named("aten").error_bound(parse(f"3x8x8 4@3x3 {dtype}"))
        assert bool(bound.underflow.smallest) is (dtype == "bfloat16")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_stray_nan_is_counted_and_everything_else_is_judged(dtype: str) -> None:
    problem = parse(f"3x8x8 4@3x3 p1 {dtype}")
    operands = STRESS_INPUTS["NaN, ∞"].make(problem, 0)
    output = to_numpy(named("im2col").run(problem, *vars(operands).values())).copy()
    stray = (0, 0, 4, 4)
    output[stray] = np.nan
    aten, direct = (named(name).error_bound(problem) for name in ("aten", "direct"))
    found = judge(problem, "aten", output, operands, aten)
    assert found.verdict
    assert found.unbounded == 1
    assert aten.stray_non_finite in found.verdict.reason
    assert not judge(problem, "direct", output, operands, direct).verdict

    wrong = output.copy()
    wrong[0, 1, 4, 4] += 8
    assert not judge(problem, "aten", wrong, operands, aten).verdict
    wrong = output.copy()
    wrong[0, 0, 0, 0] = 0  # its window holds the NaN
    assert not judge(problem, "aten", wrong, operands, aten).verdict


def test_without_nan_or_infinity_in_the_operands_nothing_is_stray() -> None:
    problem = parse("3x8x8 4@3x3 p1 bfloat16")
    operands = STRESS_INPUTS["random"].make(problem, 0)
    output = to_numpy(named("aten").run(problem, *vars(operands).values())).copy()
    output[0, 0, 4, 4] = np.nan
    assert not judge(problem, "aten", output, operands, named("aten").error_bound(problem)).verdict
