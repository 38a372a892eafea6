"""Copies between any strides have the same elements, and touch nothing beside the output."""

from __future__ import annotations

from random import Random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.codegen.target import Target
from glassconv.operations import copy, elementwise, transpose
from glassconv.operations.elementwise import Number
from glassconv.operations.loop_nest import joined_axes
from glassconv.operations.strided import Strided
from glassconv.reports.verdict import Verdict
from support.compile_function import this_machine
from support.operations import DTYPES, TARGETS, call, laid, room, run

NHWC, NCHW = (0, 2, 3, 1), (0, 1, 2, 3)


def copied(input: Tensor, output: Tensor, target: Target, team: int = 1) -> Tensor:
    arrays = Strided.of(input), Strided.of(output)
    assert copy.supports(*arrays)
    return run(copy.step(*arrays, target, team), team, input=input, output=output)


def transposes(input: Tensor, output: Tensor) -> bool:
    arrays = {"input": Strided.of(input), "output": Strided.of(output)}
    return bool(transpose.supports(joined_axes(arrays)))


@TARGETS
@DTYPES
@pytest.mark.parametrize("seed", range(20))
def test_random_orders_of_axes(seed: int, dtype: str, target: Target) -> None:
    chance = Random(seed)
    axes = chance.randint(1, 5)
    shape = [chance.choice((1, 2, 3, 5, 17, 33)) for _ in range(axes)]
    values = torch.randn(shape, dtype=getattr(torch, dtype))
    input = laid(values, chance.sample(range(axes), axes), chance)
    output = room(shape, chance.sample(range(axes), axes), values.dtype, chance)
    assert torch.equal(copied(input, output, target, chance.choice((1, 2))), values)


@TARGETS
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 16, 24, 67])
@pytest.mark.parametrize("orders", [(NCHW, NHWC), (NHWC, NCHW)], ids=["to nhwc", "to nchw"])
def test_memory_layouts(
    orders: tuple[tuple[int, ...], tuple[int, ...]], channels: int, target: Target
) -> None:
    chance = Random(channels)
    values = torch.randn(2, channels, 9, 13)
    input = laid(values, orders[0], chance)
    output = room(values.shape, orders[1], values.dtype, chance)
    assert torch.equal(copied(input, output, target), values)


@TARGETS
@pytest.mark.parametrize("order", [NHWC, NCHW], ids=["nhwc", "nchw"])
def test_parts_of_a_concatenation(order: tuple[int, ...], target: Target) -> None:
    chance = Random(3)
    parts = [torch.randn(2, channels, 7, 5) for channels in (3, 16, 1, 30)]
    expected = torch.cat(parts, dim=1)
    whole = room(expected.shape, order, expected.dtype, chance)
    first = 0
    for part in parts:
        input, there = laid(part, order, chance), whole[:, first : first + part.shape[1]]
        call(copy.step(Strided.of(input), Strided.of(there), target, 1), input=input, output=there)
        first += part.shape[1]
    assert torch.equal(whole, expected)


@TARGETS
@pytest.mark.parametrize("groups", [2, 3, 4, 8])
@pytest.mark.parametrize("order", [NHWC, NCHW], ids=["nhwc", "nchw"])
def test_channel_shuffle(order: tuple[int, ...], groups: int, target: Target) -> None:
    values, chance = torch.randn(2, groups * 29, 6, 5), Random(groups)
    input, output = laid(values, order, chance), room(values.shape, order, values.dtype, chance)
    by_group = input.unflatten(1, (groups, 29)).transpose(1, 2)  # type: ignore[no-untyped-call]
    copied(by_group, output.unflatten(1, (29, groups)), target)  # type: ignore[no-untyped-call]
    assert torch.equal(output, F.channel_shuffle(values, groups))


@TARGETS
@pytest.mark.parametrize("order", [NHWC, NCHW], ids=["nhwc", "nchw"])
def test_upsampling_to_nearest_neighbours(order: tuple[int, ...], target: Target) -> None:
    values = torch.randn(2, 19, 5, 6)
    input, output = (
        laid(values, order, Random(5)),
        room((2, 19, 10, 18), order, values.dtype, Random(6)),
    )
    arrays = copy.nearest(Strided.of(input), Strided.of(output), (2, 3))
    assert copy.supports(*arrays)
    found = run(copy.step(*arrays, target, 2), 2, input=input, output=output)
    assert torch.equal(found, F.interpolate(values, scale_factor=(2.0, 3.0), mode="nearest"))


def test_padding_is_a_fill_and_a_copy() -> None:
    values, padded = torch.randn(1, 5, 6, 7), torch.zeros(1, 5, 8, 9)
    inside = padded[:, :, 1:-1, 1:-1]
    call(elementwise.step(Number(0.5), {}, Strided.of(padded), this_machine(), 1), output=padded)
    call(
        copy.step(Strided.of(values), Strided.of(inside), this_machine(), 1),
        input=values,
        output=inside,
    )
    assert torch.equal(padded, F.pad(values, (1, 1, 1, 1), value=0.5))


def test_adjacent_elements_are_copied_and_others_transposed() -> None:
    first = torch.empty(1, 64, 8, 8)
    last = first.to(memory_format=torch.channels_last)
    assert not transposes(first, first)
    assert transposes(first, last)
    assert transposes(last, first)


def test_refusals_say_why() -> None:
    whole, part = torch.empty([3] * 7), torch.empty([2] * 7)
    there = Strided.of(whole[(slice(2),) * 7])
    assert copy.supports(Strided.of(part), there) == Verdict(
        False, "requires at most 6 nested loops, got 7"
    )
