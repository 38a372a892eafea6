"""Activations that a convolution may end with, by name, as PyTorch computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.errors import unknown_name

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hardswish": F.hardswish,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "gelu": F.gelu,
}


@dataclass(frozen=True)
class Epilogue:
    """What follows the sum of each output: activation(sum + bias + residual)."""

    activation: str | None = None  # a name of ACTIVATIONS
    residual: bool = False

    def __post_init__(self) -> None:
        if self.activation is not None and self.activation not in ACTIVATIONS:
            raise unknown_name("activation", self.activation, ACTIVATIONS, also="None")

    def __bool__(self) -> bool:
        """Return whether there is a residual or an activation."""
        return self.residual or self.activation is not None

    def applied(self, output: Tensor, residual: Tensor | None) -> Tensor:
        """Apply the residual and the activation to a convolution's output, with PyTorch."""
        if residual is not None:
            output = output + residual
        return output if self.activation is None else ACTIVATIONS[self.activation](output)


NOTHING = Epilogue()
