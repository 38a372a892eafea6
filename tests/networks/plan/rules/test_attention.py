"""Attention is PyTorch's, given rows of adjacent channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.networks.plan.steps import PyTorchStep
from support.optimized import Calls, check


def test_rows_whose_channels_are_not_adjacent_are_copied() -> None:
    def attention(x: Tensor, mask: Tensor) -> Tensor:
        rows = x.flatten(2).transpose(1, 2)[:, None]
        return F.scaled_dot_product_attention(rows, rows, rows, mask.transpose(0, 1))

    x, mask = torch.rand(2, 8, 5, 5), torch.rand(25, 25)
    plan = check(Calls(attention), x, mask).plan(x, mask)
    (step,) = (each for each in plan.steps if isinstance(each, PyTorchStep))
    given = dict(step.arguments)
    assert all(given[name].strides[-1] == 1 for name in ("query", "key", "value", "attn_mask"))
    assert step.reason == "PyTorch's kernel for attention is fast"


def test_rows_that_are_adjacent_are_read_where_they_are() -> None:
    def attention(x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x)

    x = torch.rand(2, 25, 3, 8).transpose(1, 2)
    plan = check(Calls(attention), x).plan(x)
    assert len([each for each in plan.steps if isinstance(each, PyTorchStep)]) == 1
    assert len(plan.steps) <= 2  # the output may be copied into PyTorch's layout
