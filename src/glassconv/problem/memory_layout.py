"""How a picture lies in memory: which of its axes is contiguous, and the step of each."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from glassconv.problem import ConvProblem

NCHW, NHWC = "nchw", "nhwc"


@dataclass(frozen=True)
class Layout:
    """The steps of the four axes of a picture, one of which is 1; a sequence has one row."""

    name: str  # NCHW: pixels of a row lie together; NHWC: channels of a pixel do
    strides: tuple[int, int, int, int]  # of batch, channel, row and column, in elements


def layout_of(input: Tensor) -> Layout | None:
    """Return how [batch, channels, height, width] or [batch, channels, length] lies.

    None where neither its columns nor its channels lie together.

    >>> import torch
    >>> layout_of(torch.empty(1, 3, 4, 4))
    Layout(name='nchw', strides=(48, 16, 4, 1))
    >>> layout_of(torch.empty(1, 3, 4, 4).to(memory_format=torch.channels_last))
    Layout(name='nhwc', strides=(48, 1, 12, 3))
    """
    batch, channel, *rows, column = input.stride()
    width = input.shape[-1]
    row = rows[0] if rows else width * column
    if column == 1 or width == 1:
        return Layout(NCHW, (batch, channel, row, 1))
    if channel == 1 or input.shape[1] == 1:
        return Layout(NHWC, (batch, 1, row, column))
    return None


def contiguous(problem: ConvProblem) -> Layout:
    """Return how the problem's picture lies when all its axes lie one in the other."""
    *rows, width = problem.input_size
    plane = width * (rows[-1] if rows else 1)
    return Layout(NCHW, (problem.in_channels * plane, plane, width, 1))
