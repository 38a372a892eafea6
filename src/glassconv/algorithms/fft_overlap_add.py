"""fft_overlap_add: cut the input into blocks, transform each one, and add where results overlap.

A transform of the whole input mixes all of it, and makes each filter as large as the input. Cut
the input into blocks instead: convolution is a sum, so the blocks' convolutions add up to the
input's. What a block of B pixels adds to is B + extent − 1 outputs, which overlap the neighbour's
by extent − 1; and a filter needs a spectrum only as large as a block's.

    x_q[b, c, i] = x[b, c, q·B + i − p] for 0 ≤ i < B, otherwise 0
    y_q[b, f, n] = Σ_c Σ_u w[f, c, u] · x_q[b, c, n − (extent − 1) + u·d]     by spectra of N points
    y[b, f, o] = bias[f] + Σ_q y_q[b, f, o·s + (extent − 1) − q·B]            for 0 ≤ … < N

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                q block                         d dilation   N = B + extent − 1 points
    o output                u tap                           extent = d · (taps − 1) + 1

All this per spatial axis. A block starts with extent − 1 zeros, and they are what its circle of N
points wraps round to. N is the first power of two from 4 · extent, or less where the whole input
fits in less; then B ≥ extent, so that a window touches at most two blocks of an axis.

Shapes, for two axes: blocks [batch, in_channels, blocks 0, blocks 1, N, M], their spectra the same
with M/2 + 1, the filters' [groups, filters, channels, N, M/2 + 1]. Cost: 5/2 · N·M · log₂(N·M)
operations for each block of each plane, and 8 · channels for each output block and frequency.

Source: T. Stockham, High-speed convolution and correlation, 1966. It wins over `fft` where the
input is much larger than the kernel, and its error is relative to a block, not to the plane. Do
not use it with NaN or infinity, which spread to every window that touches their block; nor where
small values beside large ones matter; nor for small kernels or with strides.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms.parts import names, spectrum
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.padding import pad, padded_note
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.reports.array import Array
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, Float64, gradual_underflow
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

# Measured by tests/test_fft.py: rms error ÷ im2col's in float32. At most 3.6, for a single product
# per output on three axes; 2.5 for 9 products, 1.2 for 64, below 1 for most layers of more.
GROWTH = 4.0


def supports(problem: ConvProblem) -> Verdict:
    """Everything: any sum of products is a product of transforms."""
    return Verdict(True, "any problem: a product of Fourier transforms")


def cost(problem: ConvProblem) -> Cost:
    """Count transforms of blocks, a product at every frequency, and adding up along each axis."""
    lengths, blocks = _lengths(problem), prod(_block_counts(problem))
    spectral = spectrum.cost(problem, lengths, blocks)
    results = problem.batch * problem.out_channels * blocks * prod(lengths)
    results_bytes = results * problem.format.bytes
    return Cost(
        multiplications=spectral.multiplications,
        additions=spectral.additions + problem.ndim * results,
        workspace_bytes=spectral.workspace_bytes + 2 * results_bytes,
        traffic_bytes=spectral.traffic_bytes + 3 * problem.ndim * results_bytes,
        operations=spectral.operations + 4 * problem.ndim,
    )


def error_bound(problem: ConvProblem) -> ErrorBound:
    """Normwise, of the blocks that a window touches; docs/algorithms/fft.md has the proof."""
    return ErrorBound(
        max_factor=spectrum.worst_factor(problem, _lengths(problem), additions=1 + problem.ndim),
        rms_factor=GROWTH,
        formula="(1 + ε)²(1 + δ)(1 + 2ε)(1 + u)^(1 + axes) − 1, ε ≈ 8u · log₂ 2N",
        underflow=gradual_underflow(problem.taps_per_output + 1, problem.format),
        reference="Σ‖x_q‖₂‖w‖₂ + |b|",
        magnitude=_magnitude,
        window_factor=inf,
    )


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Cut, transform, multiply, transform back, add up."""
    batch, groups, channels = problem.batch, problem.groups, problem.weight_shape[1]
    lengths, counts = _lengths(problem), _block_counts(problem)
    block_names = names.along("block", problem)
    points = names.along("point", problem)
    frequencies = names.along("frequency", problem)

    padded = pad(problem, input)
    named = ("batch", "in_channels", *names.sizes(problem))
    yield Step("padded", padded, named, padded_note(problem))

    blocks = _cut(problem, padded)
    named = ("batch", "in_channels", *block_names, *points)
    yield Step("blocks", blocks, named, "each after extent − 1 zeros")

    filters = spectrum.dilated(problem, weight)
    named = ("groups", "filters of a group", "channels of a group", *names.kernel(problem))
    yield Step("filters", filters, named, "zeros in the holes of dilation")

    images = blocks.reshape(batch, groups, channels, *counts, *lengths)
    input_spectrum = spectrum.spectrum(images, lengths)
    named = ("batch", "groups", "channels of a group", *block_names, *frequencies)
    yield Step("input spectrum", input_spectrum, named, "each block as a sum of waves")

    filter_spectrum = spectrum.spectrum(filters, lengths)
    named = ("groups", "filters of a group", "channels of a group", *frequencies)
    yield Step("filter spectrum", filter_spectrum, named, "made once, for all blocks")

    product = spectrum.mixed(input_spectrum, filter_spectrum)
    named = ("batch", "groups", "filters of a group", *block_names, *frequencies)
    yield Step("product spectrum", product, named, "one number times another, at each frequency")

    correlations = spectrum.correlation(product, lengths)
    correlations = correlations.reshape(batch, problem.out_channels, *counts, *lengths)
    named = ("batch", "out_channels", *block_names, *points)
    yield Step("block correlations", correlations, named, "what each block adds to the outputs")

    full = _add_up(problem, correlations)
    named = ("batch", "out_channels", *names.along("place", problem))
    yield Step("full correlation", full, named, "the blocks, added up where they overlap")

    kept = tuple(slice(axis.extent - 1, axis.padded_size, axis.stride) for axis in problem.axes)
    output = add_bias(problem, full[(slice(None),) * 2 + kept], bias).contiguous()
    yield Step("output", output, names.output(problem), "every stride-th place, plus the bias")


def _lengths(problem: ConvProblem) -> spectrum.Lengths:
    """Return N for each axis: four extents, or the whole input where that is less."""
    return tuple(
        spectrum.power_of_two(min(4 * axis.extent, axis.padded_size + axis.extent - 1))
        for axis in problem.axes
    )


def _block_sizes(problem: ConvProblem) -> tuple[int, ...]:
    """Return B = N − (extent − 1) for each axis."""
    pairs = zip(_lengths(problem), problem.axes, strict=True)
    return tuple(length - axis.extent + 1 for length, axis in pairs)


def _block_counts(problem: ConvProblem) -> tuple[int, ...]:
    """Return how many blocks cover the padded input, the last of them perhaps not full."""
    pairs = zip(_block_sizes(problem), problem.axes, strict=True)
    return tuple(-(-axis.padded_size // block) for block, axis in pairs)


def _cut(problem: ConvProblem, padded: Tensor) -> Tensor:
    """Return the blocks [batch, in_channels, *blocks, *lengths], each after extent − 1 zeros."""
    rests, fronts = [], []  # F.pad wants the innermost axis first, (before, after)
    for number in reversed(range(problem.ndim)):
        axis, block = problem.axes[number], _block_sizes(problem)[number]
        rests += [0, _block_counts(problem)[number] * block - axis.padded_size]
        fronts += [axis.extent - 1, 0]
    blocks = F.pad(padded, rests)
    for number, block in enumerate(_block_sizes(problem)):
        blocks = blocks.unfold(2 + number, block, block)
    return F.pad(blocks, fronts)


def _add_up(problem: ConvProblem, correlations: Tensor) -> Tensor:
    """Return the sum of the blocks' results, number n of block q at place q·B + n, per axis."""
    ndim = problem.ndim
    beside = (dimension for number in range(ndim) for dimension in (2 + number, 2 + ndim + number))
    added = correlations.permute(0, 1, *beside)  # each axis's blocks beside its points
    for number, block in enumerate(_block_sizes(problem)):
        dimension = 2 + number
        count, length = added.shape[dimension : dimension + 2]
        q = torch.arange(count, device=added.device)
        n = torch.arange(length, device=added.device)
        places = (q[:, None] * block + n).flatten()
        results = added.flatten(dimension, dimension + 1)
        size = (*results.shape[:dimension], (count - 1) * block + length)
        zeros = results.new_zeros(*size, *results.shape[dimension + 1 :])
        added = zeros.index_add(dimension, places, results)
    return added


def _magnitude(problem: ConvProblem, input: Array, weight: Array, bias: Array | None) -> Float64:
    """Return Σ ‖x_qc‖₂ ‖w_fc‖₂ over channels and the blocks q a window touches, plus |bias|."""
    counts, sizes = _block_counts(problem), _block_sizes(problem)
    sides = [(0, 0), (0, 0)]
    for axis, count, block in zip(problem.axes, counts, sizes, strict=True):
        before = axis.padding[0]
        sides.append((before, count * block - before - axis.input_size))
    blocks = np.pad(input, sides).reshape(
        *input.shape[:2], *(size for pair in zip(counts, sizes, strict=True) for size in pair)
    )
    for number in range(problem.ndim):  # all blocks first, then all that is inside them
        blocks = np.moveaxis(blocks, 2 + 2 * number, 2 + number)
    blocks = blocks.reshape(*input.shape[:2], *counts, prod(sizes))
    size = spectrum.sizes(problem, _lengths(problem), blocks, weight)
    for number, (axis, block) in enumerate(zip(problem.axes, sizes, strict=True)):
        size = _over_blocks_touched(size, 2 + number, axis, block)
    return size if bias is None else size + bias.reshape(-1, *(1,) * problem.ndim)


def _over_blocks_touched(size: Float64, dimension: int, axis: Axis, block: int) -> Float64:
    """Return for each output the sum over the one or two blocks that its window touches."""
    start = np.arange(axis.output_size) * axis.stride
    first, last = start // block, (start + axis.extent - 1) // block
    shape = [-1 if number == dimension else 1 for number in range(size.ndim)]
    more = np.where((first < last).reshape(shape), size.take(last, axis=dimension), 0.0)
    total: Float64 = size.take(first, axis=dimension) + more
    return total
