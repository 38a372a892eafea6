"""x86's vdpbf16ps in NumPy: what PyTorch's bfloat16 convolution does where AVX-512 has bfloat16.

The instruction adds two products of bfloat16 pairs to a float32 accumulator, one fused multiply-add
after the other, rounded to nearest even. Subnormal inputs and accumulators are taken as zero, and
subnormal results become zero, whatever MXCSR says. vcvtneps2bf16 converts results the same way.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VDPBF16PS and
VCVTNEPS2BF16.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands

Float32 = npt.NDArray[np.float32]

SMALLEST_NORMAL = 2.0**-126


def flush(numbers: Float32) -> Float32:
    """Return the numbers with zeros in place of subnormal ones."""
    return np.where(np.abs(numbers) < SMALLEST_NORMAL, np.float32(0), numbers)


def fused(x: Float32, w: Float32, accumulator: Float32) -> Float32:
    """Return x · w + accumulator, rounded once: exact in float64 up to far below float32's u."""
    exact = x.astype(np.float64) * w + flush(accumulator)
    return flush(exact.astype(np.float32))


def convolve(problem: ConvProblem, operands: Operands) -> Tensor:
    """Return the convolution [batch, out_channels, *output_size] by pairs of channels and taps."""
    columns = _columns(problem, operands.input)
    k = columns.shape[2]
    weight = flush(operands.weight.float().numpy()).reshape(problem.groups, problem.gemm.m, k)
    shape = (problem.batch, problem.groups, problem.gemm.m, columns.shape[3])
    total = np.zeros(shape, np.float32)
    for first in range(0, k, 2):
        for each in reversed(range(first, min(first + 2, k))):
            x, w = columns[:, :, None, each], weight[None, :, :, each, None]
            total = fused(x, w, total)
    output = total.reshape(problem.output_shape)
    if operands.bias is not None:
        bias = flush(operands.bias.float().numpy())
        output = flush(flush(output) + bias.reshape(-1, *(1,) * problem.ndim))
    rounded = torch.from_numpy(flush(output)).bfloat16().float().numpy()
    return torch.from_numpy(flush(rounded)).bfloat16()


def _columns(problem: ConvProblem, input: Tensor) -> Float32:
    """Return [batch, groups, channels · taps, positions], zeros where a window leaves the input."""
    x = flush(input.float().numpy())
    channels = problem.weight_shape[1]
    taps = []
    for tap in problem.taps():
        writes, reads = problem.tap_slices(tap)
        seen = np.zeros((*x.shape[:2], *problem.output_size), np.float32)
        seen[(slice(None), slice(None), *writes)] = x[(slice(None), slice(None), *reads)]
        taps.append(seen.reshape(problem.batch, problem.groups, channels, -1))
    stacked = np.stack(taps, axis=3)
    return stacked.reshape(problem.batch, problem.groups, channels * len(taps), -1)
