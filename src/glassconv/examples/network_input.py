"""What a network is given: a shape that is asked for or usual, random numbers, or an image."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from glassconv.data import photograph
from glassconv.errors import ArgumentError
from glassconv.networks.usual_input import usual_preprocessing, usual_shape

SIZES = re.compile(r"\d{1,9}(x\d{1,9}){2,4}", re.ASCII)


def shape_or_image(
    model: nn.Module, input: str | None, image: Path | None
) -> Tensor | tuple[int, ...]:
    """Return the shape that is asked for or usual, or an image of that shape."""
    if input is not None and not SIZES.fullmatch(input.replace("×", "x")):
        raise ArgumentError(f"--input is a shape such as 1x3x224x224, got {input!r}")
    shape = usual_shape(model) if input is None else tuple(map(int, re.split("[x×]", input)))
    if image is None:
        return shape
    pixels = torch.from_numpy(photograph.read(image, _size_of_image(shape)).pixels.copy())
    tensor = pixels.permute(2, 0, 1)[None] / 255
    return (tensor if shape[1] == 3 else tensor.mean(1, keepdim=True)).to(_dtype(model))


def normalised_image(model: nn.Module, file: Path) -> tuple[Tensor, str]:
    """Return an image as the network usually gets it, [1, channels, height, width], and how.

    Raises `DataError` for a file that is no image, `ArgumentError` for a network that takes none.
    """
    shape, usual = usual_shape(model), usual_preprocessing(model)
    size = _size_of_image(shape)
    picture = photograph.read_crop(file, size, usual.crop, usual.interpolation)
    tensor = torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1)[None] / 255
    if shape[1] == 1:
        return tensor.mean(1, keepdim=True).to(_dtype(model)), f"{picture.source}; grey, 0 to 1"
    mean, std = (torch.tensor(each).reshape(1, -1, 1, 1) for each in (usual.mean, usual.std))
    how = f"{picture.source}; less the mean {usual.mean}, over the deviation {usual.std}"
    return ((tensor - mean) / std).to(_dtype(model)), how


def shape_or_image_of(model: nn.Module, text: str | None) -> Tensor | tuple[int, ...]:
    """Return the shape that a text names, an image of the usual shape if it names a file."""
    if text is None or SIZES.fullmatch(text.replace("×", "x")):
        return shape_or_image(model, text, None)
    if not Path(text).suffix:
        cause = f"the input is a shape such as 1x3x224x224 or an image file, got {text!r}"
        raise ArgumentError(cause)
    return shape_or_image(model, None, Path(text))


def numbers(model: nn.Module, given: Tensor | tuple[int, ...], seed: int) -> Tensor:
    """Return a tensor as it is, and for a shape random numbers from 0 to 1.

    >>> numbers(nn.Conv2d(1, 2, 3), (1, 1, 4, 4), seed=0).shape
    torch.Size([1, 1, 4, 4])
    """
    if isinstance(given, Tensor):
        return given
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*given, generator=generator).to(_dtype(model))


def _size_of_image(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the height and width of an image for an input; raises for one that takes none."""
    if len(shape) != 4 or shape[:2] not in ((1, 1), (1, 3)):
        cause = (
            f"an image needs an input [1, 3, height, width] or of one channel, not {list(shape)}"
        )
        raise ArgumentError(cause)
    return shape[2], shape[3]


def _dtype(model: nn.Module) -> torch.dtype:
    first = next((each for each in model.parameters() if each.is_floating_point()), None)
    return torch.float32 if first is None else first.dtype
