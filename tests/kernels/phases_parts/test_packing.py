"""Panels of phases hold the filters that are sliced, flipped and stacked from the weight."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from glassconv.kernels import TRANSPOSED_KERNELS
from glassconv.kernels.phases_parts.packing import PhasesPacking
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from glassconv.problem.transposed import TransposedProblem, parse_transposed
from support.guard_pages import SIDES, guarded

PROBLEM = pytest.mark.parametrize(
    "text",
    [
        "3x7x9 5@4x4 s2 p1 transposed",
        "9x5x6 20@3x3 s2 p1 transposed o1",
        "2x6x5 3@5x2 s3x4 p1x0 transposed",
        "5x4x4 7@1x1 s3 transposed o2",
        "4x6x7 6@3x3 s2 g2 transposed",
        "6x6x7 6@4x4 s2 p1 g6 transposed",
        "3x5x5 4@3x3 transposed",
        "17x5x5 40@2x2 s2 transposed",
        "4x5x5 6@3x3 s4 p1 d2 transposed float64",
    ],
)


def packing(problem: TransposedProblem, layout: str) -> PhasesPacking:
    plan = TRANSPOSED_KERNELS["phases"].plan(problem, contiguous(problem, layout))
    assert isinstance(plan.pack, PhasesPacking)
    return plan.pack


def in_panels(pack: PhasesPacking, unpacked: Tensor, weight: Tensor) -> Tensor:
    """Return the filters of each group of phases in panels; those of a single tap as they are."""
    assert pack.width is not None
    parts = []
    for phases in pack.taps:
        taps = [len(range(*along)) for along in phases[0]]
        filters = len(phases) * weight.shape[1] * pack.groups
        size = filters, weight.shape[0] // pack.groups, *taps
        count = torch.Size(size).numel()
        part, unpacked = unpacked[:count].view(size), unpacked[count:]
        if set(taps) == {1}:
            parts.append(part.flatten())
            continue
        by_group = part.movedim(1, -1).reshape(pack.groups, filters // pack.groups, -1)
        whole = pad(by_group, (0, 0, 0, -by_group.shape[1] % pack.width))
        by_panel = whole.reshape(pack.groups, -1, pack.width, whole.shape[2])
        parts.append(by_panel.transpose(2, 3).flatten())
    assert not unpacked.numel()
    return torch.cat(parts)


@PROBLEM
@pytest.mark.parametrize("side", SIDES)
def test_panels_hold_the_filters_of_each_phase(text: str, side: str) -> None:
    problem = parse_transposed(text)
    dtype = getattr(torch, problem.dtype)
    weight = torch.randn(problem.weight_shape, dtype=dtype)
    pack, unpacked = packing(problem, NHWC), packing(problem, NCHW)(weight)
    assert unpacked is not None
    expected = in_panels(pack, unpacked, weight)
    assert pack.elements == expected.numel()
    for given in (weight, weight.transpose(0, 1).contiguous().transpose(0, 1)):
        memory = guarded(torch.full((pack.elements,), torch.nan, dtype=dtype), side)
        packed = pack(guarded(given, side), memory)
        assert packed is not None
        assert torch.equal(packed, expected)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("layout", [NCHW, NHWC])
def test_a_weight_that_is_not_finite_is_refused(value: float, layout: str) -> None:
    problem = parse_transposed("3x7x9 5@4x4 s2 p1 transposed")
    weight = torch.randn(problem.weight_shape)
    weight[-1, -1, -1, -1] = value
    assert packing(problem, layout)(weight) is None
