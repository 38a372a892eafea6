"""Autocast on the CPU: a convolution's arrays are cast as PyTorch casts them for its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def is_on() -> bool:
    """Return whether autocast is enabled for the CPU."""
    return torch.is_autocast_enabled("cpu")


def cast(
    input: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the arrays in autocast's element type; float64 and what holds no floats stays."""
    return _cast(input), _cast(weight), None if bias is None else _cast(bias)


def _cast(array: Tensor) -> Tensor:
    eligible = array.is_floating_point() and array.is_cpu and array.dtype != torch.float64
    return array.to(torch.get_autocast_dtype("cpu")) if eligible else array


@contextmanager
def switched_off() -> Iterator[None]:
    """Compute with what was cast: autocast is disabled for a while, where it is enabled."""
    was_on = is_on()
    torch.set_autocast_enabled("cpu", False)
    try:
        yield
    finally:
        torch.set_autocast_enabled("cpu", was_on)
