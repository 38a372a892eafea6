"""Autocast on the CPU: a convolution's arrays are cast as PyTorch casts them for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from glassconv.dispatch.pytorch_call import with_epilogue
from glassconv.dispatch.torch_state import State, state_of
from glassconv.problem.problem import Arguments


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


def convolve(
    compute: Callable[..., Tensor],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> Tensor | None:
    """Return the output of a call under autocast, None where a kernel may not be given its arrays.

    compute: the call of arrays of one element type. PyTorch applies the residual and the
    activation, whose element types autocast decides.
    """
    with switched_off():
        arrays = cast(input, weight, bias)
        same_type = {each.dtype for each in arrays if each is not None} == {arrays[0].dtype}
        if not same_type or state_of(*arrays, None) is State.OTHER:
            return None
        output = compute(*arrays, None, arguments._replace(activation=None))
    return with_epilogue(output, input, residual, arguments)
