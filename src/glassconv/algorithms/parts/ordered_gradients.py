"""The gradients of weight and bias in "strict": one published order of fused multiply-adds.

    image[b] = (+0 + s_0) + s_1 + …         the blocks of its output pixels, one after another
    s_n = fma(x_p, g_p, … fma(x_q, g_q, +0))       q = n · BLOCK, … p < (n + 1) · BLOCK
    ∂/∂weight = (+0 + image[0]) + image[1] + …

Pixels are numbered row by row. A product with padding is skipped, and keeps its number. The bias's
gradient is that of a weight which multiplies ones. Source: docs/reproducible.md.
"""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms.ordered import BLOCK
from glassconv.mathematics.fused_multiply_add import fused_multiply_add
from glassconv.problem import ConvProblem
from glassconv.problem.im2col_map import unfold
from glassconv.problem.problem import Problem


def weight_gradient(problem: ConvProblem, input: Tensor, grad: Tensor) -> Tensor:
    """Return the gradient [out_channels, in_channels / groups, *kernel_size] in float32 or float64.

    input: [batch, in_channels, *input_size]. grad: [batch, out_channels, *output_size], the
    output's gradient. A pixel of every block of every image is added at a time.
    """
    batch, groups, pixels = problem.batch, problem.groups, prod(problem.output_size)
    blocks = -(-pixels // BLOCK)

    def in_blocks(array: Tensor, *rows: int) -> Tensor:
        padded = F.pad(array.reshape(array.shape[0], groups, *rows, pixels), (0, -pixels % BLOCK))
        return padded.reshape(*padded.shape[:-1], blocks, BLOCK)

    columns = in_blocks(unfold(problem, input), 1, -1)
    inside = in_blocks(unfold(problem, torch.ones_like(input[:1])), 1, -1) > 0
    grads = in_blocks(grad, -1, 1)
    sums = torch.zeros_like(columns[..., 0] * grads[..., 0])
    for pixel in range(min(pixels, BLOCK)):
        added = fused_multiply_add(columns[..., pixel], grads[..., pixel], sums)
        sums = torch.where(inside[..., pixel], added, sums)
    total = torch.zeros_like(sums[0, ..., 0])
    for image in range(batch):
        of_image = torch.zeros_like(total)
        for block in range(blocks):
            of_image = of_image + sums[image, ..., block]
        total = total + of_image
    return total.reshape(problem.weight_shape)


def sum_over_pixels(problem: Problem) -> ConvProblem:
    """Return the convolution of ones whose weight's gradient is the gradient of a problem's bias.

    >>> from glassconv import parse
    >>> print(sum_over_pixels(parse("2x3x8x8 4@3x3")))
    2x1x36 4@1 s1 p0 nobias
    """
    return ConvProblem(
        batch=problem.batch,
        in_channels=1,
        out_channels=problem.out_channels,
        input_size=(prod(problem.output_size),),
        kernel_size=(1,),
        stride=(1,),
        padding=((0, 0),),
        dilation=(1,),
        groups=1,
        bias=False,
        dtype=problem.dtype,
    )
