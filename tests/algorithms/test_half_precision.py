"""bfloat16 and float16 by the readable algorithms: float32's steps, and one rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glassconv import trace
from glassconv.algorithms import ALGORITHMS, Algorithm, named
from glassconv.problem.dtypes import FORMATS, HALF_PRECISION, arithmetic
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.problem import parse_problem
from glassconv.problem.shorthand import parse
from glassconv.reports.error_bound import rounded_once, sum_of_products_bound
from glassconv.verification.definition import definition
from glassconv.verification.verify import judge

DTYPE = pytest.mark.parametrize("dtype", sorted(HALF_PRECISION))
OURS = {name: each for name, each in ALGORITHMS.items() if name != "aten"}
ALGORITHM = pytest.mark.parametrize("algorithm", OURS.values(), ids=OURS)
TEXTS = (
    "4x8x9 4@3x3 p1",
    "4x9x9 4@3x3 s2 p1",
    "6x8x8 6@3x3 g6",
    "5x7x7 4@1x1",
    "3x6x6 2@3x3 s2 transposed",
)


@ALGORITHM
@DTYPE
def test_its_output_is_float32s_rounded(algorithm: Algorithm, dtype: str) -> None:
    tried = 0
    for text in TEXTS:
        problem = parse_problem(f"{text} {dtype}")
        assert bool(algorithm.supports(problem)) == bool(algorithm.supports(problem.widened()))
        if not algorithm.supports(problem):
            continue
        given = random_operands(problem)
        assert given.bias is not None
        output = algorithm.run(problem, given.input, given.weight, given.bias)
        wide = (given.input.float(), given.weight.float(), given.bias.float())
        sums = algorithm.run(problem.widened(), *wide)
        assert torch.equal(output, sums.to(output.dtype))
        found = judge(problem, "", to_numpy(output), given, algorithm.error_bound(problem))
        assert found.verdict, f"{problem}: {found.verdict.reason}"
        tried += 1
    assert tried


@DTYPE
def test_its_steps_are_float32s_between_widening_and_rounding(dtype: str) -> None:
    for text in ("4x8x9 4@3x3 p1", "3x6x6 2@3x3 s2 transposed"):
        problem = parse_problem(f"{text} {dtype}")
        steps = trace(problem, "im2col").steps
        wide = trace(problem.widened(), "im2col").steps
        names = [step.name for step in wide]
        assert [step.name for step in steps] == ["widened", *names[:-1], "sums", "output"]
        assert all(step.array.dtype == np.float32 for step in steps[:-1])


@ALGORITHM
@DTYPE
def test_it_costs_more_than_float32(algorithm: Algorithm, dtype: str) -> None:
    problem = parse_problem(f"{TEXTS[1]} {dtype}")
    if algorithm.supports(problem):
        half, wide = algorithm.cost(problem), algorithm.cost(problem.widened())
        assert (half.multiplications, half.additions) == (wide.multiplications, wide.additions)
        assert half.traffic_bytes > wide.traffic_bytes
        assert half.workspace_bytes > wide.workspace_bytes
        assert half.operations == wide.operations + 3


@DTYPE
def test_the_bound_is_float32s_and_one_rounding(dtype: str) -> None:
    format, wide = FORMATS[dtype], sum_of_products_bound(576, FORMATS[arithmetic(dtype)])
    u, v = format.unit_roundoff, FORMATS["float32"].unit_roundoff
    bound = rounded_once(wide, format)
    assert bound.max_factor == pytest.approx(577 * v + u + u * 577 * v, rel=1e-12)
    assert bound == named("im2col").error_bound(parse(f"64x9x9 4@3x3 p1 {dtype}"))
    assert bound.window_factor == wide.window_factor


@DTYPE
def test_the_bound_notices_a_missing_product(dtype: str) -> None:
    problem = parse(f"64x5x5 2@3x3 nobias {dtype}")
    ones = Operands(
        torch.ones(problem.input_shape, dtype=getattr(torch, dtype)),
        torch.ones(problem.weight_shape, dtype=getattr(torch, dtype)) / 8,
        None,
    )
    truth = definition(problem, ones).output
    bound = named("im2col").error_bound(problem)
    assert judge(problem, "", truth, ones, bound).verdict
    missing = 1 / 576 if dtype == "float16" else 3 / 576
    assert not judge(problem, "", truth * (1 - missing), ones, bound).verdict


def test_pytorch_is_judged_by_its_own_bound() -> None:
    aten = named("aten").error_bound(parse("64x9x9 4@3x3 p1 bfloat16"))
    assert aten.max_factor == 577 * 2.0**-8
    assert aten.stray_non_finite
