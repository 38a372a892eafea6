"""In "strict" a network has the same bits tile by tile as in one piece."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from glassconv.tiling.plan import regions_of
from glassconv.tiling.program import Program
from glassconv.tiling.regions import slices
from support.random_tiles import is_same


@pytest.mark.parametrize("tiles", [(6,), (3, 3), (5, 1), (1, 5), (1,) * 6], ids=str)
def test_a_strided_convolution(tiles: tuple[int, ...]) -> None:
    layer = nn.Conv1d(1, 1, 3, stride=2, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    x = torch.arange(11.0)[None, None]
    program = Program(layer, x.shape, x.dtype, "strict")
    output = torch.zeros(program.output_shape)
    for region in regions_of(program, (tiles,)):
        output[slices(region)] = program(x[slices(program.reads(region))], region)
    assert output.flatten().tolist() == [1, 6, 12, 18, 24, 19]


@pytest.mark.parametrize("seed", range(300))
def test_random_networks(seed: int) -> None:
    assert is_same(seed)


@pytest.mark.slow
def test_many_random_networks() -> None:
    wrong = [seed for seed in range(2000) if not is_same(seed)]
    assert wrong == []
