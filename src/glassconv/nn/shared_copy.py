"""A copy of a network that has the same parameters and buffers."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def shared_copy(model: M) -> M:
    """Return a copy of a model's modules that shares every tensor with them."""
    tensors = {
        id(tensor): tensor
        for module in model.modules()
        for held in (module._parameters, module._buffers, vars(module))
        for tensor in held.values()
        if isinstance(tensor, Tensor)
    }
    return deepcopy(model, tensors)
