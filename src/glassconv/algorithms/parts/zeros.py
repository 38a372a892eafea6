"""The zeros that products are added to."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

from glassconv.reports.array import Array

A = TypeVar("A", Array, Tensor)  # NumPy in, NumPy out; tensors in, tensors out


def zeros(input: A, weight: A, shape: tuple[int, ...]) -> A:
    """Return zeros of this shape, to which products of input and weight can be added in place.

    Inside `torch.vmap` they have a batch axis where either operand has one.
    """
    if isinstance(input, Tensor) and isinstance(weight, Tensor):
        return (input.new_zeros(()) + weight.new_zeros(())).new_zeros(shape)
    return np.zeros(shape, input.dtype)
