"""unfold and fold: an input as columns of windows, and columns added back into an input.

unfold copies each pixel to every window that reads it; fold, also called col2im, adds what lies in
those places up again. As matrices they are each other's transpose, and that is all there is to the
gradient of im2col. `torch.nn.functional.unfold` and `fold` do the same, with two spatial axes only.
"""

from __future__ import annotations

from math import prod

from torch import Tensor

from glassconv.problem import ConvProblem

EVERY = (slice(None), slice(None))  # image of the batch, and channel


def unfold(problem: ConvProblem, input: Tensor) -> Tensor:
    """Return the im2col matrix [batch, in_channels · taps, positions], zero where padding is read.

    >>> import torch
    >>> from glassconv import parse
    >>> unfold(parse("1x4 1@3"), torch.tensor([[[1.0, 2, 3, 4]]]))
    tensor([[[1., 2.],
             [2., 3.],
             [3., 4.]]])
    """
    windows = input.new_zeros(_windows_shape(problem))
    for tap in problem.taps():
        writes, reads = problem.tap_slices(tap)
        windows[EVERY + tap + writes] = input[EVERY + reads]
    return windows.reshape(_columns_shape(problem))


def fold(problem: ConvProblem, columns: Tensor) -> Tensor:
    """Return the input [batch, in_channels, *input_size] that columns add up to.

    >>> import torch
    >>> from glassconv import parse
    >>> fold(parse("1x4 1@3"), torch.ones(1, 3, 2))
    tensor([[[1., 2., 2., 1.]]])
    """
    windows = columns.reshape(_windows_shape(problem))
    folded = columns.new_zeros(problem.input_shape)
    for tap in problem.taps():
        writes, reads = problem.tap_slices(tap)
        folded[EVERY + reads] += windows[EVERY + tap + writes]
    return folded


def _windows_shape(problem: ConvProblem) -> tuple[int, ...]:
    return (problem.batch, problem.in_channels, *problem.kernel_size, *problem.output_size)


def _columns_shape(problem: ConvProblem) -> tuple[int, int, int]:
    taps, positions = prod(problem.kernel_size), prod(problem.output_size)
    return (problem.batch, problem.in_channels * taps, positions)
