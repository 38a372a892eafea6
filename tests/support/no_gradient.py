"""A function that passes no gradient on, as one that only looks at its input does."""

# mypy: allow-untyped-calls
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _WithoutGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        return input.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> None:
        return None


def without_gradient(input: Tensor) -> Tensor:
    """Return a copy of which the gradient is undefined: not zeros, but none."""
    output: Tensor = _WithoutGradient.apply(input)
    return output
