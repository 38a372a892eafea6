"""Bilinear upsampling, within its bound."""

from __future__ import annotations

from random import Random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.codegen.target import Target
from glassconv.operations import upsample
from glassconv.operations.strided import Strided
from glassconv.operations.upsample import Bilinear
from glassconv.problem.dtypes import FORMATS, gamma
from glassconv.reports.verdict import Verdict
from support.operations import DTYPES, TARGETS, laid, room, run

ORDERS = {"nchw": (0, 1, 2, 3), "nhwc": (0, 2, 3, 1)}


def by_pytorch(how: Bilinear, values: Tensor, size: tuple[int, int]) -> Tensor:
    to: dict[str, object] = {"size": size}
    if how.scale_factors is not None:
        to = {"scale_factor": how.scale_factors}
    upsampled: Tensor = F.interpolate(
        values,
        mode="bilinear",
        align_corners=how.align_corners,
        **to,  # type: ignore[arg-type]
    )
    return upsampled


@TARGETS
@DTYPES
@pytest.mark.parametrize("layout", ORDERS)
@pytest.mark.parametrize(
    ("how", "size"),
    [
        (Bilinear(), (10, 14)),
        (Bilinear(align_corners=True), (10, 14)),
        (Bilinear(align_corners=True), (1, 33)),
        (Bilinear(), (3, 40)),
        (Bilinear(scale_factors=(1.7, 2.9)), (8, 20)),
        (Bilinear(), (5, 7)),
    ],
    ids=str,
)
def test_images(
    how: Bilinear, size: tuple[int, int], layout: str, dtype: str, target: Target
) -> None:
    chance = Random(sum(size))
    values = torch.randn(2, chance.choice((3, 16, 67)), 5, 7, dtype=getattr(torch, dtype))
    expected = by_pytorch(how, values.double(), size)
    input = laid(values, ORDERS[layout], chance)
    output = room((*values.shape[:2], *size), ORDERS[layout], values.dtype, chance)
    arrays = Strided.of(input), Strided.of(output)
    assert upsample.supports(*arrays)
    found = run(upsample.step(how, *arrays, target, 2), 2, input=input, output=output)
    allowed = gamma(6, FORMATS[dtype].unit_roundoff) * by_pytorch(how, values.double().abs(), size)
    # Along each axis PyTorch rounds where an output is, to 4·u·7 in float64, and neighbors differ
    # by at most 2·max|x|.
    allowed = allowed + 2 * (4 * 2.0**-53 * 7) * (2 * values.double().abs().max())
    assert bool(((found - expected).abs() <= allowed).all())


def test_a_single_pixel_is_repeated() -> None:
    weights = [each.weight for each in Bilinear().neighbors(0, 1, 5)]
    assert [each.first for each in Bilinear().neighbors(0, 1, 5)] == [0] * 5
    assert all(0 <= weight < 1 for weight in weights)


def test_refusals_say_why() -> None:
    image, sequence = Strided.of(torch.empty(1, 8, 5, 5)), Strided.of(torch.empty(1, 8, 10))
    assert upsample.supports(image, sequence) == Verdict(False, "requires images")
    last = Strided.of(torch.empty(1, 8, 10, 10).to(memory_format=torch.channels_last))
    assert upsample.supports(image, last) == Verdict(
        False, "requires an input and an output of one memory layout"
    )
