"""The region that each value of a network needs, against what gradients reach."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from glassconv.networks.capture import capture
from glassconv.tiling.program import Program
from glassconv.tiling.regions import Interval, Regions, everything, slices
from support.random_tiles import case


def test_a_tile_at_a_border_reads_no_padding() -> None:
    graph = capture(nn.Conv1d(1, 1, 5, padding=2), [1, 1, 20])
    regions, number = Regions(graph), graph.inputs[0].number
    read = [
        regions.needed((Interval(0, 1), Interval(0, 1), each))[number][2]
        for each in (Interval(0, 4), Interval(8, 12), Interval(16, 20))
    ]
    assert read == [Interval(0, 6), Interval(6, 14), Interval(14, 20)]


def test_a_tile_that_lies_in_the_padding_reads_one_position() -> None:
    program = Program(nn.Conv1d(1, 1, 3, padding=9), (1, 1, 4), torch.float32, "strict")
    first, last = (
        program.reads((Interval(0, 1), Interval(0, 1), each))[2]
        for each in (Interval(0, 2), Interval(18, 20))
    )
    assert (first, last) == (Interval(0, 1), Interval(3, 4))


@pytest.mark.parametrize("seed", range(60))
def test_nothing_outside_of_a_region_changes_its_output(seed: int) -> None:
    """The input outside is NaN, and no NaN comes through."""
    each = case(seed)
    program = Program(each.network, each.input.shape, each.input.dtype, "strict")
    middle = list(everything(program.output_shape))
    for dim in program.dims:
        size = program.output_shape[dim]
        middle[dim] = Interval(size // 2, size // 2 + 1)
    region = tuple(middle)
    read = program.reads(region)
    spoiled = torch.full_like(each.input, float("nan"))
    spoiled[slices(read)] = each.input[slices(read)]
    with torch.no_grad():
        expected, found = (each.network(x)[slices(region)] for x in (each.input, spoiled))
    assert not found.isnan().any()
    assert torch.equal(expected, found)
