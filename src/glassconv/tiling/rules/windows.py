"""Convolution and pooling on a tile: interior tiles see no padding, the image's borders all of it.

Along one axis the tile's outputs read a window. What the window has beyond the image is the padding
of the tile, so that it is often on one side only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, prod

import numpy as np
import torch
from torch import Tensor

from glassconv import functional
from glassconv.networks.convolutions import FUNCTIONS, read
from glassconv.networks.windows import windows_of
from glassconv.problem.transposed import TransposedProblem
from glassconv.tiling.call import Call, Rule, Step, narrowed
from glassconv.tiling.regions import sizes

FORWARD: Mapping[int, Callable[..., Tensor]] = {
    1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d,
}  # fmt: skip
TRANSPOSED: Mapping[int, Callable[..., Tensor]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def convolution(call: Call) -> Tensor:
    """Convolve a tile with the padding that its window has at the image's borders."""
    problem = read(call.step.operation).problem
    if isinstance(problem, TransposedProblem):
        return _transposed(call, problem)
    arguments, ndim = call.arguments, problem.ndim
    padding, firsts = [], []
    given = call.step.reads[0]
    for axis, window, region in zip(
        problem.axes, given.window[-ndim:], given.region[-ndim:], strict=True
    ):
        first = -min(0, (region.start - window.start) // axis.stride)  # where all is behind it
        before = region.start - window.start + first * axis.stride
        padding.append((before, max(0, window.stop - region.stop)))
        firsts.append(first)
    output = FORWARD[ndim](
        arguments["input"], arguments["weight"], arguments["bias"], problem.stride, tuple(padding),
        problem.dilation, problem.groups, accuracy=call.accuracy,
    )  # fmt: skip
    return narrowed(output, firsts, sizes(call.step.wanted)[-ndim:])


def _transposed(call: Call, problem: TransposedProblem) -> Tensor:
    """Compute all outputs that the tile of the input adds to, and keep those of the region."""
    arguments, ndim = call.arguments, problem.ndim
    output_padding, firsts = kept_outputs(call.step, problem)
    output = TRANSPOSED[ndim](
        arguments["input"], arguments["weight"], arguments["bias"], problem.stride, 0,
        output_padding, problem.groups, problem.dilation, accuracy=call.accuracy,
    )  # fmt: skip
    return narrowed(output, firsts, sizes(call.step.wanted)[-ndim:])


def kept_outputs(step: Step, problem: TransposedProblem) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many outputs are added behind those of a tile, and the first that is kept."""
    output_padding, firsts = [], []
    for axis, wanted, region in zip(
        problem.axes,
        step.wanted[-problem.ndim :],
        step.reads[0].region[-problem.ndim :],
        strict=True,
    ):
        first = wanted.start - region.start * axis.stride + axis.padding[0]
        computed = (region.size - 1) * axis.stride + axis.extent
        output_padding.append(max(0, first + wanted.size - computed))
        firsts.append(first)
    return tuple(output_padding), tuple(firsts)


def max_pooling(call: Call) -> Tensor:
    """Return the largest number of each window; padding is −∞."""
    windows = windows_of(call.step.operation)
    found: Tensor = _function(call)(
        call.window(-inf), windows.kernel_size, windows.stride, 0, windows.dilation
    )
    return found


def average_pooling(call: Call) -> Tensor:
    """Return the mean of each window: of the positions that PyTorch counts, padding or not."""
    arguments = call.arguments
    kernel, stride, padding, _ = windows_of(call.step.operation)
    mean: Tensor = _function(call)(call.window(0), kernel, stride)
    if divisor := arguments.get("divisor_override"):
        mean *= prod(kernel) / divisor
        return mean
    shape = call.step.operation.inputs[0].shape
    for at in range(-len(kernel), 0):
        start = np.arange(*call.step.wanted[at]) * stride[at] - padding[at]
        stop = (start + kernel[at]).clip(max=shape[at] + padding[at])
        if not arguments["count_include_pad"]:
            start, stop = start.clip(min=0), stop.clip(max=shape[at])
        factors = torch.from_numpy(kernel[at] / (stop - start))
        if (stop - start != kernel[at]).any():
            mean = mean * factors.to(mean.dtype).reshape(-1, *(1,) * (-at - 1))
    return mean


def _function(call: Call) -> Callable[..., Tensor]:
    """Return PyTorch's pooling, without the indices of maxima."""
    function: Callable[..., Tensor] = getattr(
        torch.ops.aten, call.function.removesuffix("_with_indices")
    )
    return function


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(FUNCTIONS, convolution),
    **{
        f"{kind}_pool{ndim}d{ending}": rule
        for kind, rule in (("max", max_pooling), ("avg", average_pooling))
        for ndim in (1, 2, 3)
        for ending in ("", "_with_indices")
    },
}
