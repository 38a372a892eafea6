"""The mean over all positions, within its bound."""

from __future__ import annotations

from random import Random

import pytest
import torch

from glassconv.codegen.target import Target
from glassconv.operations import mean
from glassconv.operations.strided import Strided
from glassconv.problem.dtypes import FORMATS, gamma
from glassconv.problem.memory_layout import NHWC
from glassconv.reports.verdict import Verdict
from support.operations import DTYPES, TARGETS, laid, room, run

SIZES = [(7, 7), (1, 1), (13, 1), (1, 40), (31, 33), (23,), (196,)]


@TARGETS
@DTYPES
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_means(sizes: tuple[int, ...], layout: str, dtype: str, target: Target) -> None:
    chance = Random(sum(sizes))
    shape = (chance.randint(1, 3), chance.choice((1, 5, 64, 131)), *sizes)
    positions = list(range(2, len(shape)))
    values = torch.randn(shape, dtype=getattr(torch, dtype)) + 1
    input = laid(values, (0, *positions, 1), chance) if layout == NHWC else values.clone()
    output = room(shape[:2], (0, 1), values.dtype, chance)
    arrays = Strided.of(input), Strided.of(output)
    assert mean.supports(*arrays)
    found = run(mean.step(*arrays, target, 2), 2, input=input, output=output)
    error = (found - values.double().mean(positions)).abs()
    bound = gamma(mean.roundings(*arrays, target), FORMATS[dtype].unit_roundoff)
    assert bool((error <= bound * values.double().abs().mean(positions)).all())


def test_the_positions_of_a_sequence_are_summed_in_rows() -> None:
    input = Strided.of(torch.empty(1, 196, 64).transpose(1, 2))
    target = next(iter(TARGETS.args[1]))
    assert mean.roundings(input, Strided.of(torch.empty(1, 64)), target) == 14 + 14 + 1


def test_planes_with_gaps_are_refused() -> None:
    input, output = torch.zeros(1, 8, 9, 9)[:, :, :5, :5], torch.zeros(1, 8)
    assert mean.supports(Strided.of(input), Strided.of(output)) == Verdict(
        False, "requires planes without gaps"
    )
