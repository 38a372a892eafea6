"""The question people ask: the answer holds, and a wrong answer would be told from rounding."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from glassconv.errors import UnsupportedError
from glassconv.problem import ConvProblem
from glassconv.problem.operands import random_operands
from glassconv.problem.shorthand import parse
from glassconv.verification.compare_unfold import same
from support.cases import CASES

same_module = import_module("glassconv.verification.compare_unfold")
FULL = {name: problem for name, problem in CASES.items() if problem.batch}
CHANNELS = parse("64x14x14 64@3x3 p1")


@pytest.mark.parametrize("problem", FULL.values(), ids=FULL)
def test_outputs_and_gradients_agree_up_to_rounding(problem: ConvProblem) -> None:
    found = same(problem)
    for difference in (found.outputs, found.grad_inputs, found.grad_weights):
        assert difference.verdict, difference.verdict.reason
    assert all(check.verdict for check in found.checks)
    assert found.outputs.array.shape == problem.output_shape
    assert found.grad_inputs.array.shape == problem.input_shape
    assert found.grad_weights.array.shape == problem.weight_shape


def test_allclose_is_pytorchs_own_and_the_bits_are_counted() -> None:
    operands = random_operands(CHANNELS)
    found = same(CHANNELS, operands)
    first = F.conv2d(operands.input, operands.weight, operands.bias, padding=1)
    columns = F.unfold(operands.input, 3, padding=1)
    assert operands.bias is not None
    second = (operands.weight.flatten(1) @ columns + operands.bias[:, None]).reshape(first.shape)
    assert found.not_close == int((~torch.isclose(first, second)).sum())
    assert not torch.allclose(first, second)
    assert found.equal == int((first == second).sum())
    doubt = found.least_close
    assert doubt is not None
    assert (doubt.first, doubt.second) == (first[doubt.index].item(), second[doubt.index].item())
    # Terms that cancel: what is left is small against what was rounded.
    assert abs(doubt.reference) < doubt.magnitude / 100
    assert doubt.tolerance < abs(doubt.first - doubt.second) < doubt.bound


def test_equal_outputs_leave_no_doubt() -> None:
    found = same(parse("1x5x5 1@1x1 nobias"))
    assert (found.equal, found.not_close, found.least_close) == (25, 0, None)


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_wrong_output_or_gradient_is_no_rounding(
    monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    run = same_module._run

    def off(*arguments: object) -> tuple[object, ...]:
        arrays = list(run(*arguments))
        if arguments[1] == "im2col":
            arrays[wrong] = arrays[wrong] + np.float32(1)
        return tuple(arrays)

    monkeypatch.setattr(same_module, "_run", off)
    found = same(CHANNELS)
    verdicts = [each.verdict.ok for each in (found.outputs, found.grad_inputs, found.grad_weights)]
    assert verdicts == [place != wrong for place in range(3)]


def test_an_empty_batch_has_no_gradient_to_compare() -> None:
    with pytest.raises(UnsupportedError, match="empty batch"):
        same(CASES["empty batch"])
