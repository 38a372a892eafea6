"""PyTorch's layers with weights that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.onnx.node import Node

Layer = TypeVar("Layer", bound=nn.Module)


@dataclass(frozen=True)
class Filters:
    """The filters of a convolution that are in the file, transposed or not."""

    weight: Tensor  # [filters, channels, *kernel]; transposed the first two are exchanged
    bias: Tensor | None
    kernel: tuple[int, ...]


def filters_of(node: Node, layers: Mapping[int, object]) -> Filters | None:
    """Return a node's filters, None if they are not known before the network runs.

    layers: by the axes of the weight that they take.

    Raises `NetworkError` for a weight of other axes, or of another size than the node says.
    """
    weight, bias = node.constant(1), node.constant(2)
    if weight is None or (bias is None and node.has(2)):
        return None
    if weight.ndim not in layers:
        raise NetworkError(f"its weight must have 3 to 5 axes, got {list(weight.shape)}")
    kernel = tuple(weight.shape[2:])
    if node.get("kernel_shape", kernel) != kernel:
        raise NetworkError(f"kernel_shape must be the weight's {kernel}")
    return Filters(weight, bias, kernel)


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
