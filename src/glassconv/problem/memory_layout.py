"""The memory layout of an input and an output: the contiguous axis, and the axes' strides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch import Tensor

from glassconv.problem.layer_shapes import LayerShapes

NCHW, NHWC = "nchw", "nhwc"

Shaped = tuple[Sequence[int], Sequence[int]]  # a shape and its strides


@dataclass(frozen=True)
class Layout:
    """The strides of the four axes of an input, one of which is 1; a sequence has one row."""

    name: str  # NCHW: the pixels of a row are adjacent; NHWC: the channels of a pixel are
    strides: tuple[int, int, int, int]  # of batch, channel, row and column, in elements
    # Of an output that is a slice of a larger array: from an image to the next, and from a pixel to
    # the next, which is 1 in NCHW. None: the output has no gaps.
    output: tuple[int, int] | None = None


def layout_of(input: Tensor) -> Layout | None:
    """Return the layout of [batch, channels, height, width] or [batch, channels, length].

    None where neither columns nor channels are contiguous.

    >>> import torch
    >>> layout_of(torch.empty(1, 3, 4, 4))
    Layout(name='nchw', strides=(48, 16, 4, 1), output=None)
    >>> layout_of(torch.empty(1, 3, 4, 4).to(memory_format=torch.channels_last))
    Layout(name='nhwc', strides=(48, 1, 12, 3), output=None)
    """
    return layout_named(NCHW, input.shape, input.stride()) or layout_named(
        NHWC, input.shape, input.stride()
    )


def layout_named(name: str, shape: Sequence[int], strides: Sequence[int]) -> Layout | None:
    """Return the layout of this name of an input of one or two spatial axes.

    None where its columns (`NCHW`) or its channels (`NHWC`) are not contiguous.
    """
    batch, channel, *rows, column = strides
    width = shape[-1]
    row = rows[0] if rows else width * column
    if name == NCHW:
        return Layout(NCHW, (batch, channel, row, 1)) if column == 1 or width == 1 else None
    return Layout(NHWC, (batch, 1, row, column)) if channel == 1 or shape[1] == 1 else None


def output_layout(input: Shaped, weight: Shaped) -> str:
    """Return the layout of the output that PyTorch's convolution returns for these operands.

    It has channels last if the weight has, or if an input with height and width has; PyTorch does
    not consult the layout of a sequence.

    >>> image, filters = ((1, 3, 4, 4), (48, 16, 4, 1)), ((8, 3, 2, 2), (12, 1, 6, 3))
    >>> output_layout(image, filters)
    'nhwc'
    """
    channels_last = _is_channels_last(*weight) or (len(input[0]) == 4 and _is_channels_last(*input))
    return NHWC if channels_last else NCHW


def _is_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Return whether PyTorch takes four axes for channels last; three become four with one row.

    The rule is that of c10/core/MemoryFormat.h: strides grow from the channels to the columns, rows
    and batch. Where an axis has one entry several layouts have the same strides; the first test
    below decides for channels first, as PyTorch does.
    """
    if len(shape) == 3:
        shape = (*shape[:2], 1, shape[2])
        strides = (*strides[:2], shape[3] * strides[2], strides[2])
    least = 0
    if strides[1] == 0:
        return False
    for axis in (1, 3, 2, 0):
        if shape[axis] == 0 or strides[axis] < least:
            return False
        if axis == 0 and least == strides[1]:
            return False
        least = strides[axis] * max(shape[axis], 1)
    return True


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


def output_strides(problem: LayerShapes, layout: Layout) -> tuple[int, ...]:
    """Return the strides of the output's axes, of batch and channel first, in elements.

    It has the input's memory layout. There are no gaps between its rows, and in NCHW none between
    its channels.

    >>> from glassconv import parse
    >>> problem = parse("3x4x4 2@1x1")
    >>> output_strides(problem, contiguous(problem, NHWC))
    (32, 1, 8, 2)
    >>> output_strides(problem, Layout(NHWC, (48, 1, 12, 3), output=(160, 10)))
    (160, 1, 40, 10)
    """
    sizes, is_nchw = problem.output_size, layout.name == NCHW
    dense = problem.out_channels * prod(sizes), 1 if is_nchw else problem.out_channels
    image, pixel = layout.output or dense
    spatial = (pixel * prod(sizes[axis + 1 :]) for axis in range(len(sizes)))
    return image, prod(sizes) if is_nchw else 1, *spatial
