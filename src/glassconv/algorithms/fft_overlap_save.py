"""fft_overlap_save: blocks that overlap, transformed; what a block cannot promise is summed.

`fft_overlap_add` cuts the input into blocks that do not overlap, and adds their results where these
do. Here the blocks overlap instead, so that each output is a product of the spectra of one block:

    x_q[b, c, i] = x[b, c, q·B + i − p]      for 0 ≤ i < N, zero outside the input
    y[b, f, o] = bias[f] + y_q[b, f, o·s − q·B]      q = ⌊o·s / B⌋, by spectra of N points

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                q block                         d dilation   N = B + extent − 1 points
    o output                u tap                           extent = d · (taps − 1) + 1

All this per spatial axis. The last extent − 1 of a block's N results have wrapped round its circle,
and are dropped. N is the power of two that costs least; one block may cover the whole input.

A block is transformed as a whole, so its largest numbers add to the error of all its outputs. Where
an output's own window is too small for that error (a pixel of noise beside a flash), the output is
computed as a plain sum. So NaN and infinity stay with the windows that hold them, and the bound of
an output depends on its own window only.

Shapes, for two axes: blocks [batch, in_channels, blocks 0, blocks 1, N, M], their spectra the same
with M/2 + 1, the filters' [groups, filters, channels, N, M/2 + 1]. Cost: as `fft_overlap_add`,
without additions of blocks, and a few operations for each pixel to tell which windows are too
small.

Source: T. Stockham, High-speed convolution and correlation, 1966; H. D. Helms, Fast Fourier
transform method of computing difference equations and simulating filters, 1967. It wins with long
filters and stride 1: one-dimensional ones of a hundred taps, planes of 15 × 15. Do not use it for
small kernels or with large strides, whose unread outputs it computes.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from math import cbrt, inf, prod, sqrt

import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms.parts import names, spectral_cost, spectrum, window_bound
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.covered_windows import covered_outputs, with_plain_sums
from glassconv.algorithms.parts.padding import pad, padded_note
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW
from glassconv.problem.problem import Problem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.machine import Machine
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

LEAST_GROWTH, GROWTH_OF_ONE_PRODUCT = 3.0, 10.0  # of the rms error, as measured for `fft`
MOVES = 6  # of each point: padded, cut, its norm, and after the inverse cut, joined, biased
MOVES_OF_PIXELS = 4  # padding, absolute values, their sums, the output
OPERATIONS = 60  # calls of PyTorch's functions, of which each takes a few microseconds


def supports(problem: ConvProblem) -> Verdict:
    """Everything."""
    return Verdict(True, "any problem: a product of Fourier transforms")


def cost(problem: ConvProblem) -> Cost:
    """Count transforms of blocks, and a product at every frequency."""
    return spectrum.cost(problem, _lengths(problem), prod(_block_counts(problem)))


def error_bound(problem: ConvProblem) -> ErrorBound:
    """By each output's own window; docs/algorithms/fft.md has the proof."""
    growth = max(LEAST_GROWTH, GROWTH_OF_ONE_PRODUCT / cbrt(problem.taps_per_output))
    return window_bound.error_bound(problem, _window_factor(problem), growth, lost=0.0)


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Cut, transform, multiply, transform back, and sum what is not covered."""
    lengths, sizes = _lengths(problem), _block_sizes(problem)
    block_names = names.along("block", problem)
    points = names.along("point", problem)
    frequencies = names.along("frequency", problem)

    padded = pad(problem, input)
    named = ("batch", "in_channels", *names.sizes(problem))
    yield Step("padded", padded, named, padded_note(problem))

    blocks = _cut(problem, padded)
    named = ("batch", "in_channels", *block_names, *points)
    yield Step("blocks", blocks, named, "neighbours overlap by extent − 1")

    filters = spectrum.dilated(problem, weight)
    named = ("groups", "filters of a group", "channels of a group", *names.kernel(problem))
    yield Step("filters", filters, named, "zeros in the holes of dilation")

    images = blocks.unflatten(1, (problem.groups, problem.weight_shape[1]))
    input_spectrum = spectrum.spectrum(images, lengths)
    named = ("batch", "groups", "channels of a group", *block_names, *frequencies)
    yield Step("input spectrum", input_spectrum, named, "each block as a sum of waves")

    filter_spectrum = spectrum.spectrum(filters, lengths)
    named = ("groups", "filters of a group", "channels of a group", *frequencies)
    yield Step("filter spectrum", filter_spectrum, named, "made once, for all blocks")

    mixed = spectrum.mixed_blocks(input_spectrum, filter_spectrum)
    named = ("batch", "groups", "filters of a group", *block_names, *frequencies)
    yield Step("product spectrum", mixed, named, "one matrix product at each frequency")

    correlations = spectrum.correlation(mixed, lengths).flatten(1, 2)
    named = ("batch", "out_channels", *block_names, *points)
    yield Step("block correlations", correlations, named, "the last extent − 1 have wrapped round")

    output = _join(problem, correlations)
    relative = spectrum.worst_factor(problem, lengths, additions=1) / (
        _window_factor(problem) * (problem.taps_per_output + 1) * problem.format.unit_roundoff
    )
    covered = covered_outputs(problem, images, padded, weight, sizes, relative)
    output = with_plain_sums(problem, covered, output, padded, weight)
    output = add_bias(problem, output, bias)
    yield Step("output", output, names.output(problem), "plain sums where not covered; the bias")


def seconds(problem: Problem, layout: str, machine: Machine | None) -> float:
    """Return the predicted time of the steps, which return channels first."""
    if machine is None or layout != NCHW or not isinstance(problem, ConvProblem):
        return inf
    lengths = _lengths(problem)
    blocks, points = prod(_block_counts(problem)), prod(lengths)
    results = problem.batch * problem.out_channels * blocks
    planes = problem.batch * problem.in_channels * blocks + results + prod(problem.weight_shape[:2])
    channels = problem.weight_shape[1]
    frequencies = points // lengths[-1] * (lengths[-1] // 2 + 1)
    work = spectral_cost.Work(
        operations=OPERATIONS,
        transformed=planes * points * (points.bit_length() - 1),
        multiplied=results * channels * frequencies,
        moved=MOVES * planes * points + MOVES_OF_PIXELS * prod(problem.input_shape),
        reordered=planes * frequencies if channels > 1 else 0,
    )
    return spectral_cost.seconds(work, problem.widened().dtype, machine)


# -- blocks -----------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _lengths(problem: ConvProblem) -> spectrum.Lengths:
    """Return N for each axis, the powers of two that cost least."""
    choices = []
    for axis in problem.axes:
        least, most = (spectrum.power_of_two(n) for n in (axis.extent, axis.padded_size))
        choices.append([least << number for number in range((most // least).bit_length())])
    places = [(_places(axis.padded_size, axis.extent), axis.extent) for axis in problem.axes]
    images = problem.batch * (problem.in_channels + problem.out_channels)
    channels = problem.weight_shape[1]
    filters = problem.out_channels * channels

    def arithmetic(lengths: spectrum.Lengths) -> float:
        """Return what `spectrum.cost` counts, nearly, in a hundredth of the time."""
        blocks = points = 1
        for (number, extent), length in zip(places, lengths, strict=True):
            blocks *= -(-number // (length - extent + 1))
            points *= length
        frequencies = points // lengths[-1] * (lengths[-1] // 2 + 1)
        transforms = 2.5 * (images * blocks + filters) * points * (points.bit_length() - 1)
        return transforms + 8 * problem.batch * filters * blocks * frequencies

    return min(product(*choices), key=arithmetic)


def _places(padded_size: int, extent: int) -> int:
    """Return how many places a window has with stride 1."""
    return padded_size - extent + 1


def _block_sizes(problem: ConvProblem) -> tuple[int, ...]:
    """Return B = N − (extent − 1) for each axis."""
    pairs = zip(_lengths(problem), problem.axes, strict=True)
    return tuple(length - axis.extent + 1 for length, axis in pairs)


def _block_counts(problem: ConvProblem) -> tuple[int, ...]:
    """Return how many blocks have all outputs, the last of them perhaps not full."""
    pairs = zip(_block_sizes(problem), problem.axes, strict=True)
    return tuple(-(-_places(axis.padded_size, axis.extent) // size) for size, axis in pairs)


def _cut(problem: ConvProblem, padded: Tensor) -> Tensor:
    """Return the blocks [batch, in_channels, *blocks, *lengths], N long and B apart."""
    rests = []  # F.pad wants the innermost axis first, (before, after)
    grid = list(zip(_block_counts(problem), _block_sizes(problem), _lengths(problem), strict=True))
    for axis, (count, size, length) in zip(reversed(problem.axes), reversed(grid), strict=True):
        rests += [0, max(0, (count - 1) * size + length - axis.padded_size)]
    blocks = F.pad(padded, rests)
    for number, (_, size, length) in enumerate(grid):
        blocks = blocks.unfold(2 + number, length, size)
    return blocks


def _join(problem: ConvProblem, correlations: Tensor) -> Tensor:
    """Return every stride-th of the blocks' results side by side, without those that wrapped."""
    ndim, sizes = problem.ndim, _block_sizes(problem)
    right = correlations
    for number, size in enumerate(sizes):
        right = right.narrow(2 + ndim + number, 0, size)
    block_then_place = [axis for number in range(ndim) for axis in (2 + number, 2 + ndim + number)]
    joined = right.permute(0, 1, *block_then_place)
    for number in range(ndim):
        joined = joined.flatten(2 + number, 3 + number)
    kept = tuple(
        slice(0, _places(axis.padded_size, axis.extent), axis.stride) for axis in problem.axes
    )
    return joined[(slice(None), slice(None), *kept)].contiguous()


@lru_cache(maxsize=1024)
def _window_factor(problem: ConvProblem) -> int:
    """Return K; blocks and filters of equal numbers need a quarter of it at most."""
    lengths = _lengths(problem)
    n, u = problem.taps_per_output + 1, problem.format.unit_roundoff
    norms = sqrt(prod(lengths) / prod(problem.kernel_size))  # ‖x‖ ‖w‖ / Σ|x||w|, for each channel
    return window_bound.window_factor(
        spectrum.worst_factor(problem, lengths, additions=1) * norms / (n * u)
    )
