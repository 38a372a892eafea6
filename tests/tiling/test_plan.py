"""The plan of tiles: what it says is what happens."""

from __future__ import annotations

from itertools import islice
from math import prod

import pytest
import torch
from torch import nn

import glassconv
from glassconv.tiling.memory import peak_bytes
from glassconv.tiling.plan import plan_of, regions_of
from glassconv.tiling.program import Program
from glassconv.tiling.regions import positions
from support.random_tiles import case

THREE = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 5, padding=2)
)


@pytest.mark.parametrize("memory", [200_000, 400_000, 3_000_000])
def test_what_is_read_computed_and_needed_is_counted(memory: int) -> None:
    program = Program(THREE, (1, 3, 200, 120), torch.uint8, "default")
    plan = plan_of(program, "three", memory, 1)
    regions = list(regions_of(program, plan.tiles))
    assert plan.count == len(regions)
    assert tuple(map(sum, plan.tiles)) == program.output_shape[2:]
    assert plan.read_bytes == sum(positions(program.reads(each)) for each in regions)
    needed = [peak_bytes(program, each, 1, 2**40) for each in regions]
    assert max(needed) == plan.peak_bytes <= memory
    convolutions = {
        each.outputs[0].number: each.outputs[0].shape
        for each in program.operations
        if each.function == "conv2d"
    }
    macs = sum(
        plan_macs(shape, positions(program.regions.needed(region)[number]))
        for region in regions
        for number, shape in convolutions.items()
    )
    assert plan.macs == macs
    assert plan.macs_of_whole == sum(plan_macs(each, prod(each)) for each in convolutions.values())


def plan_macs(shape: tuple[int, ...], computed: int) -> int:
    """Return the multiply-adds of some outputs: of 3 × 3 × 3 or 8 × 5 × 5 taps."""
    return computed * {8: 27, 4: 200}[shape[1]]


def test_the_largest_image_is_planned_without_its_memory() -> None:
    plan = glassconv.plan_tiles(THREE, [1, 3, 2**17, 2**17], "2 GiB", dtype=torch.uint8)
    assert plan.input_bytes == 3 * 2**34
    assert 0.8 * 2**31 < plan.peak_bytes <= 2**31
    assert plan.halo == ((5, 5), (5, 5))
    assert 0 < plan.redundant < 0.02


def test_an_image_that_fits_is_one_tile() -> None:
    plan = glassconv.plan_tiles(THREE, [1, 3, 64, 64])
    assert (plan.count, plan.redundant, plan.read_bytes) == (1, 0.0, plan.input_bytes)


@pytest.mark.parametrize("seed", range(60))
def test_the_peak_of_random_tiles_is_that_of_their_arrays_at_least(seed: int) -> None:
    each = case(seed)
    program = Program(each.network, each.input.shape, each.input.dtype, "strict")
    for region in islice(regions_of(program, each.tiles), 3):
        largest = max(positions(region), positions(program.reads(region)))
        assert peak_bytes(program, region, 4, 2**40) >= 4 * largest


def test_outputs_that_a_transposed_convolution_adds_are_planned() -> None:
    layer = nn.ConvTranspose2d(3, 4, 2, stride=5, output_padding=4)
    plan = glassconv.plan_tiles(layer, [1, 3, 61, 47], "200 kB")
    assert plan.output_shape == (1, 4, 306, 236)
