"""Layer normalization over the last axis, within its bound."""

from __future__ import annotations

from math import fsum, sqrt
from random import Random

import pytest
import torch
from torch import Tensor

from glassconv.codegen.target import Target
from glassconv.operations import layer_norm
from glassconv.operations.reductions import roundings_of_sum
from glassconv.operations.strided import Strided
from glassconv.problem.dtypes import FORMATS, gamma
from glassconv.reports.verdict import Verdict
from support.operations import DTYPES, TARGETS, laid, room, run

EPS = 1e-6
EPSILON = 2.0**-23


@TARGETS
@DTYPES
@pytest.mark.parametrize("affine", ["weight and bias", "weight", ""])
@pytest.mark.parametrize("length", [1, 7, 16, 96, 131, 768])
def test_rows_are_normalized(length: int, affine: str, dtype: str, target: Target) -> None:
    chance, element = Random(length), getattr(torch, dtype)
    shape = (2, 5, length)
    values = torch.randn(shape, dtype=element) * chance.choice((0.1, 30)) + chance.choice((0, 50))
    weight = torch.randn(length, dtype=element)
    bias = torch.randn(length, dtype=element)
    has_weight, has_bias = "weight" in affine, "bias" in affine
    input = laid(values, (0, 1, 2), chance)
    output = room(shape, (0, 1, 2), element, chance)
    arrays = Strided.of(input), Strided.of(output)
    assert layer_norm.supports(*arrays)
    step = layer_norm.step(*arrays, EPS, target, 2, weight=has_weight, bias=has_bias)
    found = run(step, 2, input=input, output=output, weight=weight, bias=bias)
    x = values.double()
    w = weight.double() if has_weight else torch.ones(length, dtype=torch.float64)
    b = bias.double() if has_bias else torch.zeros(length, dtype=torch.float64)
    differences, variance = moments(x)
    expected = differences / (variance + EPS).sqrt() * w + b
    unit, n = FORMATS[dtype].unit_roundoff, roundings_of_sum(length, target.lanes(dtype))
    r = 1 / (variance + EPS).sqrt()
    z = (differences * r).abs()
    d = gamma(n + 1, unit) * x.abs().mean(-1, keepdim=True)
    spread = differences.abs().mean(-1, keepdim=True)
    rd, re = r * d, r * gamma(n + 2, unit) * (spread + d)
    allowed = (
        w.abs() * (z * rd**2 / 2 + re + gamma(n + 10, unit) * (z + re)) + unit * expected.abs()
    )
    if dtype == "float64":  # the reference has the same errors
        allowed = 2 * allowed
    assert bool(((found - expected).abs() <= allowed).all())


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x − its mean and its variance along the last axis, from sums without roundings."""
    differences = x - means(x)
    differences = differences - means(differences)
    return differences, means(differences.square())


def means(x: Tensor) -> Tensor:
    """Return the means along the last axis, each rounded twice."""
    rows = x.reshape(-1, x.shape[-1]).tolist()
    sums = torch.tensor([fsum(row) for row in rows], dtype=torch.float64)
    return (sums / x.shape[-1]).reshape(*x.shape[:-1], 1)


def test_equal_elements_are_normalized_to_the_bias() -> None:
    values, target = torch.full((3, 40), 0.7), next(iter(TARGETS.args[1]))
    there = Strided.of(values)
    step = layer_norm.step(there, there, EPS, target, 1)
    found = run(
        step, input=values, output=torch.zeros(3, 40), weight=torch.ones(40), bias=torch.ones(40)
    )
    assert bool(((found - 1).abs() <= gamma(60, 2.0**-24) ** 2 * 0.7 / sqrt(EPS) + EPSILON).all())


def test_refusals_say_why() -> None:
    dense, shape = Strided.of(torch.empty(4, 5, 8)), (4, 5, 8)
    gaps = Strided(shape, (160, 20, 2), "float32")
    crop = Strided(shape, (160, 8, 1), "float32")
    half = Strided(shape, dense.strides, "float16")
    assert layer_norm.supports(dense, gaps) == Verdict(
        False, "requires adjacent elements along the last axis"
    )
    assert layer_norm.supports(crop, dense) == Verdict(
        False, "requires rows that are evenly spaced"
    )
    assert layer_norm.supports(half, half) == Verdict(
        False, "requires arrays of float32 or of float64, got float16"
    )
    other = Strided.of(torch.empty(20, 8))
    assert layer_norm.supports(dense, other) == Verdict(
        False, "requires an output of shape (4, 5, 8), got (20, 8)"
    )
