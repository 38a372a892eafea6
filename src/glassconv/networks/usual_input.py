"""The input that a network usually gets, where nobody says."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from glassconv.errors import ArgumentError
from glassconv.networks.exported.inputs import InputCheck

SIDE = 224  # of the images of ImageNet, as networks of torchvision get them


def usual_shape(model: nn.Module) -> tuple[int, ...]:
    """Return the shape of an input: what an exported program or a network of timm says.

    Others get [1, channels, 224, 224], with the channels of their first convolution. Raises
    `ArgumentError` for a network whose first convolution reads no image.

    >>> usual_shape(nn.Sequential(nn.Conv2d(1, 8, 3)))
    (1, 1, 224, 224)
    """
    for module in model.modules():
        if isinstance(module, InputCheck):
            return module.inputs.inputs[0].sample
    stated = getattr(model, "default_cfg", None)
    if isinstance(stated, dict) and isinstance(stated.get("input_size"), tuple):
        return (1, *stated["input_size"])
    layers = (each for each in model.modules() if isinstance(each, nn.modules.conv._ConvNd))
    first = next(layers, None)
    if first is None:
        return (1, 3, SIDE, SIDE)
    if is_lazy(first.weight) or first.weight.dim() != 4:
        cause = "the network does not say how large its input is"
        raise ArgumentError(cause, request=type(model).__name__, suggestions=("--input 1x3x32x32",))
    return (1, first.in_channels, SIDE, SIDE)
