"""Filters in rows: every element is in its place, whatever the weight's strides."""

from __future__ import annotations

import pytest
import torch

from glassconv.kernels.runtime import filter_rows as implementation
from glassconv.kernels.runtime.filter_rows import FlippedRows
from glassconv.problem.transposed import flip
from support.compile_function import this_machine
from support.guard_pages import SIDES, guarded

SHAPES = [
    (1, 1, 1, 1),
    (16, 16, 1, 1),
    (18, 70, 1, 1),
    (130, 34, 1, 1),
    (6, 5, 3, 3),
    (34, 66, 2, 3),
    (8, 9, 5),
    (4, 6, 1),
    (4, 5, 2, 3, 2),
]


def packing_of(weight: torch.Tensor, groups: int) -> FlippedRows:
    dtype = str(weight.dtype).removeprefix("torch.")
    return FlippedRows(groups, weight.numel(), dtype, this_machine())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rows_are_the_flipped_filters(
    shape: tuple[int, ...], groups: int, dtype: torch.dtype, side: str
) -> None:
    shape = (shape[0] * groups, *shape[1:])
    weight = torch.randn(shape, dtype=dtype)
    for given in (weight, weight.movedim(1, -1).contiguous().movedim(-1, 1)):
        memory = guarded(torch.full((given.numel(),), torch.nan, dtype=dtype), side)
        found = packing_of(given, groups)(guarded(given, side), memory)
        assert torch.equal(found, flip(given, groups).flatten())


@pytest.mark.parametrize("team", [1, 2, 4])
def test_it_does_not_depend_on_the_threads(team: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implementation, "threads", lambda: team)
    weight = torch.randn(200, 300, 1, 1)
    assert torch.equal(packing_of(weight, 1)(weight), flip(weight, 1).flatten())
