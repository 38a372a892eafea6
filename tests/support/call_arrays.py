"""Small calls of the six functions, with every array that a call may have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import glassconv

FUNCTIONS = [f"conv{transposed}{ndim}d" for transposed in ("", "_transpose") for ndim in (1, 2, 3)]
NAMES = ("input", "weight", "bias", "residual")


def arrays_of(function: str) -> dict[str, Tensor]:
    """Return the arrays of a call of a function, by name."""
    ndim, transposed = int(function[-2]), "transpose" in function
    output = 9 if transposed else 5
    shapes = {
        "input": (1, 4, *[7] * ndim),
        "weight": (4, 4, *[3] * ndim),
        "bias": (4,),
        "residual": (1, 4, *[output] * ndim),
    }
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def call(function: str, arrays: dict[str, Tensor], **options: Any) -> Tensor:
    """Call a function with the arrays; the residual may be missing."""
    output: Tensor = getattr(glassconv, function)(
        *[arrays[name] for name in NAMES[:3]], residual=arrays.get("residual"), **options
    )
    return output
