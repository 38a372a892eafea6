"""Transposed problems: the definition is a scatter, and every algorithm keeps its bound."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms import named
from glassconv.dispatch.select import choose
from glassconv.problem.problem import Problem, parse_problem
from glassconv.problem.transposed import TransposedProblem, parse_transposed
from glassconv.verification.definition import definition
from glassconv.verification.stress_inputs import run_stress_inputs
from glassconv.verification.verify import judge, verification_targets, verify
from support.references import whole_numbers

TORCH: tuple[Callable[..., Tensor], ...] = (
    F.conv_transpose1d,
    F.conv_transpose2d,
    F.conv_transpose3d,
)
TEXTS = [
    "4x8x8 4@3x3 s2 p1 g4 transposed o1",
    "2x3x5 4@3 s3 p1 d2 transposed",
    "3x6 2@2 s3 nobias transposed o2",
    "1x2x4x4x3 3@2x3x2 s2x1x2 transposed",
    "2x5x5 3@3x3 d4 s2 transposed o3",
    "6x5x4 4@1x1 s2 g2 transposed",
    "2x9x9 3@2x2 p3 transposed",
    "3x6x6 2@3x3 s2 bfloat16 transposed",
    "3x6x6 2@3x3 s2 float64 transposed",
]
EACH = pytest.mark.parametrize("text", TEXTS)


def supporting(problem: Problem) -> list[str]:
    candidates = choose(problem, accuracy="any").candidates
    return [each.name for each in candidates if each.verdict]


@EACH
def test_the_definition_is_pytorchs_in_whole_numbers(text: str) -> None:
    problem = parse_transposed(text)
    given = whole_numbers(problem)
    expected = TORCH[problem.ndim - 1](
        given.input.double(),
        given.weight.double(),
        None if given.bias is None else given.bias.double(),
        problem.stride,
        [before for before, _ in problem.padding],
        problem.output_padding,
        problem.groups,
        problem.dilation,
    )
    assert (definition(problem, given).output == expected.numpy()).all()


@EACH
def test_every_algorithm_keeps_its_bound(text: str) -> None:
    problem = parse_problem(text)
    assert isinstance(problem, TransposedProblem)
    targets = verification_targets(problem, supporting(problem))
    assert {"aten", "direct", "im2col"} <= set(targets)
    for kind, found in run_stress_inputs(problem, targets):
        assert found.verdict, f"{kind}: {found.candidate}: {found.verdict.reason}"


def test_one_wrong_element_is_found() -> None:
    problem = parse_transposed(TEXTS[0])
    given = whole_numbers(problem)
    output = definition(problem, given).output.copy()
    output[0, 1, 2, 3] += 1
    found = judge(problem, "wrong", output, given, named("aten").error_bound(problem))
    assert not found.verdict
    assert found.worst is not None
    assert found.worst.index == (0, 1, 2, 3)


@pytest.mark.parametrize("algorithm", ["auto", "aten", "im2col"])
def test_an_infinite_weight_meets_no_inserted_zero(algorithm: str) -> None:
    problem = parse_transposed("2x4x4 3@3x3 s2 p1 transposed")
    given = whole_numbers(problem)
    given.weight[0, 1, 0, 0] = torch.inf
    found = verify(problem, algorithm, given)
    assert found.verdict, found.verdict.reason
    assert found.unbounded == 0
