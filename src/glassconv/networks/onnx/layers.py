"""PyTorch's layers with weights that are there already."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from glassconv.errors import NetworkError

Layer = TypeVar("Layer", bound=nn.Module)


def with_weights(layer: Layer, **weights: Tensor | None) -> Layer:
    """Give a layer made on the device "meta" its parameters and buffers; raise if a shape differs.

    Making it there takes no memory, and no random numbers.
    """
    for name, weight in weights.items():
        place = getattr(layer, name)
        if weight is None and place is None:
            continue
        if weight is None or weight.shape != place.shape:
            found = None if weight is None else list(weight.shape)
            raise NetworkError(f"its {name} must have the shape {list(place.shape)}, got {found}")
        is_parameter = isinstance(place, nn.Parameter)
        setattr(layer, name, as_parameter(weight) if is_parameter else weight.detach())
    return layer


def as_parameter(weight: Tensor) -> nn.Parameter:
    """Return the weight itself if it is a parameter, so that layers share what the file shares."""
    return weight if isinstance(weight, nn.Parameter) else nn.Parameter(weight)
