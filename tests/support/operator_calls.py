"""Calls of the operator `glassconv::convolution`, made of those that glassconv and PyTorch take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from glassconv.dispatch.operators import convolution
from support.torch_calls import Calls


def settings_of(calls: Calls, **changed: Any) -> tuple[Any, ...]:
    """Return the operator's arguments beside its tensors, for a call of `functional`."""
    ndim = len(calls.weight) - 2

    def per_axis(name: str, default: int) -> list[int]:
        size = calls.options.get(name, default)
        return [size] * ndim if isinstance(size, int) else list(size)

    settings = {
        "stride": per_axis("stride", 1),
        "padding": per_axis("padding", 0),
        "dilation": per_axis("dilation", 1),
        "output_padding": per_axis("output_padding", 0),
        "groups": calls.options.get("groups", 1),
        "transposed": "transpose" in calls.name,
        "algorithm": "auto",
        "accuracy": "default",
        "activation": None,
    }
    return tuple((settings | changed).values())


def operator_of(calls: Calls, **changed: Any) -> Callable[..., Tensor]:
    """Return the operator as a function of input, weight and bias, if the call has one."""
    settings = settings_of(calls, **changed)
    number = len(calls.arrays())

    def call(*arrays: Tensor) -> Tensor:
        bias = arrays[2] if number == 3 else None
        residual = arrays[number] if len(arrays) > number else None
        output: Tensor = convolution(arrays[0], arrays[1], bias, residual, *settings)
        return output

    return call
