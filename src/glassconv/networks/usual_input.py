"""The input that a network usually gets, where nobody says, and how an image becomes one."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes an input: scaled, cropped at its centre, and normalised by channel.

    By default as ImageNet's is for most networks of torchvision.
    """

    crop: float = 0.875  # of the shorter side
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


def usual_preprocessing(model: nn.Module) -> Preprocessing:
    """Return what a network of timm says, for others what is usual in torchvision.

    >>> usual_preprocessing(nn.Conv2d(3, 8, 3)).mean
    (0.485, 0.456, 0.406)
    """
    stated = getattr(model, "pretrained_cfg", None)
    usual = Preprocessing()
    if not isinstance(stated, dict):
        return usual
    return Preprocessing(
        stated.get("crop_pct") or usual.crop,
        stated.get("interpolation") or usual.interpolation,
        tuple(stated.get("mean") or usual.mean),
        tuple(stated.get("std") or usual.std),
    )
