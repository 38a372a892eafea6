"""What a network is given: a shape that is asked for or usual, random numbers, or an image."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from glassconv.data import photograph
from glassconv.errors import ArgumentError
from glassconv.networks.usual_input import usual_shape

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
    if len(shape) != 4 or shape[:2] not in ((1, 1), (1, 3)):
        cause = (
            f"an image needs an input [1, 3, height, width] or of one channel, not {list(shape)}"
        )
        raise ArgumentError(cause)
    pixels = torch.from_numpy(photograph.read(image, shape[2:]).pixels.copy())
    tensor = pixels.permute(2, 0, 1)[None] / 255
    return (tensor if shape[1] == 3 else tensor.mean(1, keepdim=True)).to(_dtype(model))


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


def _dtype(model: nn.Module) -> torch.dtype:
    first = next((each for each in model.parameters() if each.is_floating_point()), None)
    return torch.float32 if first is None else first.dtype
