"""References that tests compare with: plain loops over exact integers, and PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands
from glassconv.problem.problem import Problem

TORCH: tuple[Callable[..., Tensor], ...] = (F.conv1d, F.conv2d, F.conv3d)


def grid(sizes: Iterable[int]) -> Iterable[tuple[int, ...]]:
    """Return every index into an array of these sizes, the last axis fastest."""
    return product(*map(range, sizes))


def literal(problem: ConvProblem, operands: Operands) -> npt.NDArray[np.int64]:
    """Return the convolution of whole numbers by loops over Python's exact integers."""
    input = operands.input.long().numpy()
    weight = operands.weight.long().numpy()
    bias = None if operands.bias is None else operands.bias.long().numpy()
    outputs_per_group = problem.out_channels // problem.groups
    channels_per_group = problem.in_channels // problem.groups
    output = np.zeros(problem.output_shape, np.int64)
    for b in range(problem.batch):
        for f in range(problem.out_channels):
            first_channel = f // outputs_per_group * channels_per_group
            for position in grid(problem.output_size):
                total = 0 if bias is None else int(bias[f])
                for c in range(channels_per_group):
                    for tap in grid(problem.kernel_size):
                        pixel = pixel_of(problem, position, tap)
                        if pixel is not None:
                            value = int(input[(b, first_channel + c, *pixel)])
                            total += value * int(weight[(f, c, *tap)])
                output[(b, f, *position)] = total
    return output


def pixel_of(
    problem: ConvProblem, position: tuple[int, ...], tap: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Return the input pixel that an output reads through a tap; None where that is padding."""
    pixel = []
    for axis in range(len(position)):
        before = problem.padding[axis][0]
        place = position[axis] * problem.stride[axis] + tap[axis] * problem.dilation[axis] - before
        if not 0 <= place < problem.input_size[axis]:
            return None
        pixel.append(place)
    return tuple(pixel)


def whole_numbers(problem: Problem, seed: int = 0) -> Operands:
    """Return operands of −2 … 2, so small that sums are exact in all but bfloat16."""
    generator = torch.Generator().manual_seed(seed)
    dtype = getattr(torch, problem.dtype)

    def draw(*shape: int) -> Tensor:
        return torch.randint(-2, 3, shape, generator=generator).to(dtype)

    bias = draw(problem.out_channels) if problem.bias else None
    return Operands(draw(*problem.input_shape), draw(*problem.weight_shape), bias)


def by_torch(problem: ConvProblem, operands: Operands) -> Tensor:
    """Return PyTorch's own convolution, after padding the input explicitly."""
    sides = [size for pair in reversed(problem.padding) for size in pair]
    return TORCH[problem.ndim - 1](
        F.pad(operands.input, sides),
        operands.weight,
        operands.bias,
        stride=problem.stride,
        dilation=problem.dilation,
        groups=problem.groups,
    )


def meta_operands(problem: Problem) -> Operands:
    """Return operands on the meta device: shapes without data."""
    dtype = getattr(torch, problem.dtype)

    def shaped(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    bias = shaped(problem.out_channels) if problem.bias else None
    return Operands(shaped(*problem.input_shape), shaped(*problem.weight_shape), bias)
