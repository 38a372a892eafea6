"""Which outputs of a block are within the bound by their own window, and plain sums for the others.

A convolution by spectra is off by at most F · Σ_c ‖x_c‖ ‖w_c‖ in every output of a block x, as
docs/algorithms/fft.md proves. The promise is K · n · u · max|w| · Σ|x| with the sum over the
output's own window. An output is covered where the promise is the larger of the two. Norms and
sums are computed in float64. What is not finite covers nothing.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from math import prod, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms.parts.window_bound import all_known
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.dtypes import FORMATS

CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
ELEMENTS_AT_ONCE = 2**22  # of windows that are gathered for plain sums
CELLS = 8  # of a window along an axis
LEAST = 2.0**-500  # squares of smaller numbers may underflow in float64


def covered_outputs(
    problem: ConvProblem,
    blocks: Tensor,
    padded: Tensor,
    weight: Tensor,
    sizes: tuple[int, ...],
    relative: float,
) -> Tensor:
    """Return which outputs are covered, [batch, groups, *output_size].

    blocks: [batch, groups, channels, *blocks, *points]. padded: [batch, in_channels, *padded_size].
    sizes: from one block to the next. relative: F / (K · n · u).
    """
    shape = (problem.batch, problem.groups, *problem.output_size)
    sums = _window_sums(problem, padded)
    needed = relative * _largest_norms(problem, blocks, weight)
    everywhere = sums.flatten(2).amin(2) >= needed.flatten(2).amax(2)
    if all_known(everywhere):
        return everywhere[(..., *(None,) * problem.ndim)].expand(shape)
    silent = (blocks == 0).flatten(3 + problem.ndim).all(-1).all(2)  # computed as exact zeros
    needed = torch.where(silent, -torch.inf, needed)
    for number, (axis, size) in enumerate(zip(problem.axes, sizes, strict=True)):
        starts = torch.arange(axis.output_size, device=padded.device) * axis.stride
        first_cells = -(-starts // _cell(axis))
        needed = needed.index_select(2 + number, starts // size)
        sums = sums.index_select(2 + number, first_cells)
    return sums >= needed


def _largest_norms(problem: ConvProblem, blocks: Tensor, weight: Tensor) -> Tensor:
    """Return max_f Σ_c ‖x_c‖ ‖w_fc‖ / max|w_f| of each block, [batch, groups, *blocks].

    Every norm is a little larger, for what underflow may lose; infinite where numbers may overflow.
    """
    ndim, format = problem.ndim, problem.format
    points = blocks.shape[3 + ndim :]
    least = max(format.tiny / format.unit_roundoff, LEAST)
    filters = weight.unflatten(0, (problem.groups, problem.gemm.m)).flatten(3).double()
    largest = filters.abs().flatten(2).amax(2)  # [groups, filters]
    w = filters.norm(dim=-1) + sqrt(prod(points)) * least
    x = blocks.flatten(3 + ndim).norm(dim=-1, dtype=torch.float64) + sqrt(prod(points)) * least
    size = torch.einsum("bgc...,gfc->bgf...", x, w)
    size = size + (problem.weight_shape[1] + prod(points)) * least
    # A spectrum has numbers up to √N ‖x‖, a product of spectra up to N ‖x‖ ‖w‖.
    most = torch.maximum(prod(points) * size, sqrt(prod(points)) * x.amax(2, keepdim=True))
    size = torch.where(most <= format.largest / 4, size, torch.inf)
    scale = largest[(..., *(None,) * ndim)]
    too_small = scale < format.smallest_normal / format.unit_roundoff
    zeros = (scale == 0) & size.isfinite()  # such a filter's outputs are exact zeros
    return torch.where(zeros, 0.0, torch.where(too_small, torch.inf, size / scale)).amax(2)


def _cell(axis: Axis) -> int:
    """Return how many positions are summed at once, a small part of a window."""
    return max(1, axis.kernel_size // CELLS) if axis.dilation == 1 else 1


def _window_sums(problem: ConvProblem, padded: Tensor) -> Tensor:
    """Return at most Σ|x| over a window, all channels, [batch, groups, *first cells].

    Positions are summed in cells, and a window is the cells that are inside it, from the first one
    that starts no earlier than it. Its sum is a difference of two running sums, from which their
    rounding is subtracted.
    """
    cells = padded.abs().unflatten(1, (problem.groups, problem.weight_shape[1]))
    summed = [2]
    for number, axis in enumerate(problem.axes):
        dimension, cell = 3 + 2 * number, _cell(axis)
        whole = axis.padded_size // cell
        cells = cells.narrow(dimension, 0, whole * cell).unflatten(dimension, (whole, cell))
        summed.append(dimension + 1)
    sums: Tensor = cells.sum(summed, dtype=torch.float64)
    total = sums.flatten(2).sum(2)
    for number, axis in enumerate(problem.axes):
        dimension, cell, dilation = 2 + number, _cell(axis), axis.dilation
        inside = (axis.kernel_size - cell + 1) // cell  # cells of a window
        running = _running_sums(sums, dimension, dilation)
        places = sums.shape[dimension] - (inside - 1) * dilation
        ends = running.narrow(dimension, inside * dilation, places)
        sums = ends - running.narrow(dimension, 0, places)
    u, terms = FORMATS["float64"].unit_roundoff, sum(axis.padded_size for axis in problem.axes)
    # A running sum of N positive terms is off by N · u of itself, a difference by two of these.
    rounding = 4 * problem.ndim * (terms + problem.weight_shape[1]) * u * total
    return sums - rounding[(..., *(None,) * problem.ndim)]


def _running_sums(array: Tensor, dimension: int, dilation: int) -> Tensor:
    """Return r with r[i + d] = r[i] + array[i], and zeros before: d longer than the array."""
    size = array.shape[dimension]
    rows = -(-size // dilation)
    shape = list(array.shape)
    shape[dimension] = rows * dilation - size
    whole = torch.cat([array, array.new_zeros(shape)], dimension)
    running = whole.unflatten(dimension, (rows, dilation)).cumsum(dimension)
    running = running.flatten(dimension, dimension + 1)
    shape[dimension] = dilation
    return torch.cat([array.new_zeros(shape), running], dimension)


def with_plain_sums(
    problem: ConvProblem, covered: Tensor, output: Tensor, padded: Tensor, weight: Tensor
) -> Tensor:
    """Return the output with plain sums in place of the outputs that are not covered.

    output: [batch, out_channels, *output_size].
    """
    if all_known(covered):
        return output
    try:
        places = (~covered).nonzero()
    except RuntimeError:  # vmap, fake tensors: there are no numbers to look at
        convolve = CONVOLUTIONS[problem.ndim - 1]
        steps = problem.stride, 0, problem.dilation, problem.groups
        by_channel = covered.repeat_interleave(problem.gemm.m, 1)
        return torch.where(by_channel, output, convolve(padded, weight, None, *steps))
    windows = padded.unflatten(1, (problem.groups, problem.weight_shape[1]))
    for number, axis in enumerate(problem.axes):
        windows = windows.unfold(3 + number, axis.extent, axis.stride)
    taps = tuple(slice(None, None, axis.dilation) for axis in problem.axes)
    windows = windows[(..., *taps)]  # [batch, groups, channels, *output_size, *kernel_size]
    windows = windows.movedim(2, 2 + problem.ndim)
    output = output.clone()
    of_groups = output.unflatten(1, (problem.groups, problem.gemm.m)).movedim(2, -1)
    filters = weight.unflatten(0, (problem.groups, problem.gemm.m)).flatten(2)
    at_once = max(1, ELEMENTS_AT_ONCE // problem.taps_per_output)
    for group in range(problem.groups):
        for some in places[places[:, 1] == group].split(at_once):
            index = tuple(some.T)
            of_groups[index] = windows[index].flatten(1) @ filters[group].T
    return output
