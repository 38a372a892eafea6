"""Softmax over the last axis, within its bound."""

from __future__ import annotations

from math import inf, nan
from random import Random

import pytest
import torch

from glassconv.codegen.target import Target
from glassconv.operations import softmax
from glassconv.operations.reductions import roundings_of_sum
from glassconv.operations.strided import Strided
from glassconv.problem.dtypes import FORMATS
from support.compile_function import this_machine
from support.operations import DTYPES, TARGETS, laid, room, run


@TARGETS
@DTYPES
@pytest.mark.parametrize("length", [1, 5, 16, 49, 130, 1000])
@pytest.mark.parametrize("scale", [1, 40])
def test_rows(scale: int, length: int, dtype: str, target: Target) -> None:
    chance, element = Random(length), getattr(torch, dtype)
    values = torch.randn(3, 4, length, dtype=element) * scale
    input = laid(values, (0, 1, 2), chance)
    output = room(values.shape, (0, 1, 2), element, chance)
    arrays = Strided.of(input), Strided.of(output)
    assert softmax.supports(*arrays)
    found = run(softmax.step(*arrays, target, 2), 2, input=input, output=output)
    x, format = values.double(), FORMATS[dtype]
    expected = x.softmax(-1)
    d = x.amax(-1, keepdim=True) - x
    roundings = roundings_of_sum(length, target.lanes(dtype)) + 12 + d
    roundings = (roundings + (expected * d).sum(-1, keepdim=True)) * format.unit_roundoff
    allowed = expected * roundings / (1 - roundings) + format.tiny
    if dtype == "float64":  # the reference has the same errors
        allowed = 2 * allowed
    assert bool(((found - expected).abs() <= allowed).all())


@pytest.mark.parametrize("special", [nan, inf, -inf])
def test_numbers_that_are_not_finite(special: float) -> None:
    values = torch.randn(3, 21)
    values[0, 3] = special
    values[2] = special
    there = Strided.of(values)
    step = softmax.step(there, there, this_machine(), 1)
    found = run(step, input=values, output=torch.zeros(3, 21))
    assert torch.equal(found.isnan(), values.softmax(-1).isnan())
    assert bool(found[2].isnan().all())
