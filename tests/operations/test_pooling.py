"""Pooling has the values of PyTorch's, which are exact for maxima and bounded for averages."""

from __future__ import annotations

from math import inf, nan
from random import Random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.codegen.target import Target
from glassconv.operations import pooling
from glassconv.operations.pooling import AdaptivePooling, Pooling
from glassconv.operations.strided import Strided
from glassconv.problem.dtypes import FORMATS, gamma
from glassconv.reports.verdict import Verdict
from support.compile_function import this_machine
from support.operations import DTYPES, TARGETS, laid, room, run

ORDERS: dict[str, tuple[int, ...]] = {"nchw": (0, 1, 2, 3), "nhwc": (0, 2, 3, 1)}


def random_pooling(chance: Random) -> tuple[Pooling, tuple[int, ...]]:
    """Return a random pooling and an input's shape that it can be applied to."""
    axes = chance.choice((1, 2, 2))
    kernel = tuple(chance.randint(1, 4) for _ in range(axes))
    kind = chance.choice(("max", "average"))
    made = Pooling(
        "max" if kind == "max" else "average",
        kernel,
        stride=tuple(chance.randint(1, 3) for _ in range(axes)),
        padding=tuple(chance.randint(0, size // 2) for size in kernel),
        dilation=tuple(chance.choice((1, 1, 2)) if kind == "max" else 1 for _ in range(axes)),
        ceil_mode=chance.random() < 0.5,
        count_include_pad=chance.random() < 0.5,
        divisor_override=chance.choice((None, 3)) if kind == "average" and axes == 2 else None,
    )
    sizes = tuple(chance.randint(8, 23) for _ in range(axes))
    return made, (chance.randint(1, 2), chance.choice((1, 3, 16, 24, 67, 131)), *sizes)


def by_pytorch(made: Pooling, input: Tensor) -> Tensor:
    axes = len(made.kernel_size)
    how: dict[str, Any] = {"ceil_mode": made.ceil_mode}
    if made.kind == "max":
        function: Any = (F.max_pool1d, F.max_pool2d)[axes - 1]
        how |= {"dilation": made.dilation}
    else:
        function = (F.avg_pool1d, F.avg_pool2d)[axes - 1]
        how |= {"count_include_pad": made.count_include_pad}
        if made.divisor_override:
            how |= {"divisor_override": made.divisor_override}
    pooled: Tensor = function(input, made.kernel_size, made.stride, made.padding, **how)
    return pooled


def computed(
    made: Pooling, values: Tensor, target: Target, chance: Random, layout: str | None = None
) -> Tensor:
    order = ORDERS[layout or chance.choice(tuple(ORDERS))]
    if values.ndim == 3:
        order = tuple(axis - (axis > 2) for axis in order if axis != 2)
    input = laid(values, order, chance)
    sizes = made.output_size(tuple(values.shape[2:]))
    output = room((*values.shape[:2], *sizes), order, values.dtype, chance)
    team = chance.choice((1, 2))
    arrays = Strided.of(input), Strided.of(output)
    assert pooling.supports(made, *arrays)
    return run(pooling.step(made, *arrays, target, team), team, input=input, output=output)


@TARGETS
@DTYPES
@pytest.mark.parametrize("seed", range(30))
def test_random_poolings(seed: int, dtype: str, target: Target) -> None:
    chance = Random(seed)
    made, shape = random_pooling(chance)
    values = torch.randn(shape, dtype=getattr(torch, dtype))
    if chance.random() < 0.3:
        values[torch.rand(shape) < 0.01] = chance.choice((nan, inf, -inf))
    expected = by_pytorch(made, values.double())
    found = computed(made, values, target, chance)
    assert found.shape == expected.shape
    if made.kind == "max":
        assert torch.equal(found.double().nan_to_num(1e9), expected.nan_to_num(1e9))
        return
    bound = gamma(sum(made.kernel_size), FORMATS[dtype].unit_roundoff)
    allowed = bound * by_pytorch(made, values.double().abs())
    finite = expected.isfinite()
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found[~finite & ~found.isnan()].double(), expected[~finite & ~found.isnan()])
    assert bool(((found.double() - expected).abs() <= allowed)[finite].all())


@TARGETS
@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 4), (8, 11), (20,)], ids=str)
def test_adaptive_pooling(size: tuple[int, ...], kind: Any, target: Target) -> None:
    values, chance = torch.randn(2, 35, *(8, 11)[: len(size)]), Random(3)
    order = (0, 2, 3, 1) if len(size) == 2 else (0, 2, 1)
    input, output = laid(values, order, chance), room((2, 35, *size), order, values.dtype, chance)
    made, arrays = AdaptivePooling(kind, size), (Strided.of(input), Strided.of(output))
    assert pooling.supports(made, *arrays)
    found = run(pooling.step(made, *arrays, target, 2), 2, input=input, output=output)
    both = {"max": "max", "average": "avg"}
    function = getattr(F, f"adaptive_{both[kind]}_pool{len(size)}d")
    bound = gamma(sum(values.shape[2:]), FORMATS["float32"].unit_roundoff) * (kind == "average")
    allowed = bound * function(values.double().abs(), size)
    assert bool(((found - function(values.double(), size)).abs() <= allowed).all())


@pytest.mark.parametrize("layout", ORDERS)
def test_a_window_of_minus_infinity_has_it_as_its_maximum(layout: str) -> None:
    made = Pooling("max", (3, 3), (2, 2), (1, 1), (1, 1))
    values = torch.full((1, 5, 9, 9), -inf)
    assert bool((computed(made, values, this_machine(), Random(0), layout) == -inf).all())


@TARGETS
@pytest.mark.parametrize("stride", [1, 3, 5, 16])
def test_strides_of_columns_in_nchw(stride: int, target: Target) -> None:
    made = Pooling("max", (2, 3), (1, stride), (1, 1), (1, 2))
    values = torch.randn(2, 3, 5, 61)
    found = computed(made, values, target, Random(stride), "nchw")
    assert torch.equal(found, by_pytorch(made, values))


@pytest.mark.parametrize("layout", ORDERS)
def test_images_are_divided_into_tasks_that_cover_them(layout: str) -> None:
    made = Pooling("max", (3, 3), (2, 2), (1, 1), (1, 1))
    values = torch.randn(1, 64, 23, 24)
    input = laid(values, ORDERS[layout], Random(0))
    output = room((1, 64, 12, 12), ORDERS[layout], values.dtype, Random(1))
    step = pooling.step(made, Strided.of(input), Strided.of(output), this_machine(), 4)
    assert step.tasks > 10
    assert torch.equal(run(step, 2, input=input, output=output), by_pytorch(made, values))


def test_refusals_say_why() -> None:
    made = Pooling("max", (3, 3), (2, 2), (1, 1), (1, 1))
    input = Strided((1, 8, 9, 9), (648, 81, 9, 1), "float32")
    first, last = (1, 8, 4, 4), (1, 8, 5, 5)
    refused = {
        (input, Strided(first, (128, 16, 4, 1), "float32")): (
            "requires an output of shape (1, 8, 5, 5), got (1, 8, 4, 4)"
        ),
        (input, Strided(last, (200, 1, 40, 8), "float32")): (
            "requires an input and an output of one memory layout"
        ),
        (Strided(input.shape, input.strides, "float16"), Strided(last, (1,) * 4, "float16")): (
            "requires arrays of float32 or of float64, got float16"
        ),
        (Strided((1, 8, 9), (72, 9, 1), "float32"), input): "requires 2 spatial axes",
    }
    far = Pooling("max", (1, 1), (17, 17), (0, 0), (1, 1))
    large = Strided((1, 8, 18, 18), (2592, 324, 18, 1), "float32")
    to_four = AdaptivePooling("max", (4, 4))
    four = Strided(first, (128, 16, 4, 1), "float32")
    assert pooling.supports(to_four, input, four) == Verdict(
        False, "requires windows of one width in NCHW"
    )
    assert pooling.supports(far, large, Strided((1, 8, 2, 2), (32, 4, 2, 1), "float32")) == Verdict(
        False, "requires a stride of at most 16 between columns in NCHW"
    )
    for arrays, reason in refused.items():
        assert pooling.supports(made, *arrays) == Verdict(False, reason)
