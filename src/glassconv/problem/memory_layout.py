"""The memory layout of an input: which axis is contiguous, and the stride of each axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from glassconv.problem.layer_shapes import LayerShapes

NCHW, NHWC = "nchw", "nhwc"


@dataclass(frozen=True)
class Layout:
    """The strides of the four axes of an input, one of which is 1; a sequence has one row."""

    name: str  # NCHW: the pixels of a row are adjacent; NHWC: the channels of a pixel are
    strides: tuple[int, int, int, int]  # of batch, channel, row and column, in elements


def layout_of(input: Tensor) -> Layout | None:
    """Return the layout of [batch, channels, height, width] or [batch, channels, length].

    None where neither columns nor channels are contiguous.

    >>> import torch
    >>> layout_of(torch.empty(1, 3, 4, 4))
    Layout(name='nchw', strides=(48, 16, 4, 1))
    >>> layout_of(torch.empty(1, 3, 4, 4).to(memory_format=torch.channels_last))
    Layout(name='nhwc', strides=(48, 1, 12, 3))
    """
    return layout_from(input.shape, input.stride())


def layout_from(shape: Sequence[int], strides: Sequence[int]) -> Layout | None:
    """Return the layout of an input of one or two spatial axes with this shape and these strides.

    None where neither columns nor channels are contiguous.
    """
    batch, channel, *rows, column = strides
    width = shape[-1]
    row = rows[0] if rows else width * column
    if column == 1 or width == 1:
        return Layout(NCHW, (batch, channel, row, 1))
    if channel == 1 or shape[1] == 1:
        return Layout(NHWC, (batch, 1, row, column))
    return None


def contiguous(problem: LayerShapes, name: str = NCHW) -> Layout:
    """Return the layout of the problem's input without gaps, channels first or channels last.

    >>> from glassconv import parse
    >>> contiguous(parse("3x4x4 1@3x3"), NHWC).strides
    (48, 1, 12, 3)
    """
    channels, *rows, width = problem.in_channels, *problem.input_size
    height = rows[-1] if rows else 1
    if name == NHWC:
        return Layout(NHWC, (height * width * channels, 1, width * channels, channels))
    return Layout(NCHW, (channels * height * width, height * width, width, 1))
