"""A table of where each output reads, for algorithms that follow pointers instead of copying."""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from torch import Tensor

from glassconv.problem import ConvProblem
from glassconv.problem.axis import PADDING


def pointers(problem: ConvProblem, like: Tensor) -> Tensor:
    """Return the pixel that each tap of each output reads, shape [taps, positions].

    A pixel is numbered in memory order; the number past the last stands for all of the padding.
    """
    pixel = np.zeros((1, 1), np.int64)
    inside = np.ones((1, 1), np.bool_)
    for axis in problem.axes:
        index = axis.tap_map().T[None, :, None, :]  # kernel and output of this axis
        taps, positions = pixel.shape[0] * axis.kernel_size, pixel.shape[1] * axis.output_size
        pixel = (pixel[:, None, :, None] * axis.input_size + index).reshape(taps, positions)
        inside = (inside[:, None, :, None] & (index != PADDING)).reshape(taps, positions)
    padding = prod(problem.input_size)
    return torch.from_numpy(np.where(inside, pixel, padding)).to(like.device)


def with_zero_pixel(problem: ConvProblem, input: Tensor) -> Tensor:
    """Return the images [batch, groups, channels of a group, pixels + 1]; the last one is 0."""
    shape = (problem.batch, problem.groups, problem.weight_shape[1])
    images = input.reshape(*shape, prod(problem.input_size))
    return torch.cat([images, images.new_zeros(*shape, 1)], dim=-1)
