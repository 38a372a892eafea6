"""A copy of a network that has the same parameters and buffers."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def shared_copy(model: M) -> M:
    """Return a copy of a model's modules that shares every tensor with them."""
    return deepcopy(model, {id(tensor): tensor for tensor in tensors_of(model)})


def tensors_of(model: nn.Module) -> Iterator[Tensor]:
    """Yield the tensors that a model's modules hold: parameters, buffers, other attributes."""
    for module in model.modules():
        for held in (module._parameters, module._buffers, vars(module)):
            yield from (each for each in held.values() if isinstance(each, Tensor))
