"""Operands that are chosen to be looked at: whole numbers, and a photograph under a blur."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from glassconv.examples.tutorial import normalise
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands
from glassconv.problem.problem import Problem
from glassconv.reports.array import Array


def whole_numbers(problem: Problem) -> Operands:
    """Return small whole numbers, for sums to be checked by hand: pixels 0 to 3, weights ±1, ±2.

    >>> from glassconv import parse
    >>> whole_numbers(parse("1x4x4 1@2x2 nobias")).weight.tolist()
    [[[[-1.0, 2.0], [-1.0, -2.0]]]]
    """
    random = np.random.RandomState(231)  # whose stream, unlike default_rng's, is fixed for ever
    dtype = getattr(torch, problem.dtype)
    pixels = random.randint(0, 4, problem.input_shape)
    weight = random.choice([-2, -1, 1, 2], problem.weight_shape)
    bias = torch.ones(problem.out_channels, dtype=dtype) if problem.bias else None
    return Operands(torch.from_numpy(pixels).to(dtype), torch.from_numpy(weight).to(dtype), bias)


def whole_gradient(problem: ConvProblem) -> Tensor:
    """Return small whole numbers as the gradient of the output, −2 to 2, of the output's shape."""
    random = np.random.RandomState(7)  # of whole_numbers' kind, and not the same numbers
    drawn = random.randint(-2, 3, problem.output_shape)
    return torch.from_numpy(drawn).to(getattr(torch, problem.dtype))


def blurred_photograph(problem: ConvProblem, pixels: Array) -> Operands:
    """Return a photograph as the input, −1 to 1, and a Gaussian blur as every filter, no bias.

    pixels: [height, width, 3], uint8, resized to the problem's input; grey for one channel, and
    otherwise the problem has three.
    """
    dtype = getattr(torch, problem.dtype)
    blur = np.multiply.outer(*(_gaussian(size) for size in problem.kernel_size))
    weight = np.broadcast_to(blur / problem.weight_shape[1], problem.weight_shape)
    return Operands(
        input=photograph_input(problem, pixels),
        weight=torch.tensor(weight.copy(), dtype=dtype),
        bias=torch.zeros(problem.out_channels, dtype=dtype) if problem.bias else None,
    )


def photograph_input(problem: ConvProblem, pixels: Array) -> Tensor:
    """Return a photograph [height, width, 3], uint8, as the problem's input of 1 or 3 channels."""
    height, width = problem.input_size
    image = Image.fromarray(pixels).convert("L" if problem.in_channels == 1 else "RGB")
    resized = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
    one = normalise(resized.reshape(height, width, problem.in_channels))
    return one.expand(problem.input_shape).to(getattr(torch, problem.dtype))


def _gaussian(size: int) -> Array:
    """Return a bell that sums to 1; a fifth of its size is its standard deviation."""
    places = np.arange(size) - (size - 1) / 2
    bell = np.exp(-((places / (size / 5)) ** 2) / 2)
    bell /= bell.sum()
    return bell
