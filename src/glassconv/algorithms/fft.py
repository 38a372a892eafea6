"""fft: transform the whole input, and the convolution is one product per frequency.

A Fourier transform writes an input as a sum of waves. A shift only turns the phase of a wave, and
so a convolution, which is a sum of shifted inputs, only multiplies each wave by a number: the
filter's own spectrum there. Transform input and filters, multiply, sum over channels, transform
back; the size of the kernel no longer counts.

    X[b, c, k, l] = Σ_i Σ_j x[b, c, i − p, j − p] · exp(−2π√−1 · (k·i / N + l·j / M))
    Y[b, f, k, l] = Σ_c X[b, c, k, l] · conj(W[f, c, k, l])
    y[b, f, i, j] = bias[f] + the inverse transform of Y[b, f] at (i·s, j·s)

    b image in the batch    c input channel of f's group    s stride     p padding before
    f filter                k, l frequency                  N, M points  W transform of w, dilated

The N points go round in a circle: y would read x[(i + u) mod N]. Outputs that are kept read no
further than the padded input's end, so N at least its size suffices. The next power of two is
taken, because there every step of the transform is the same and its error is proven.

Shapes, for M points on the last axis: X [batch, groups, channels, N, M/2 + 1], for the spectrum of
real numbers is symmetric; W [groups, filters, channels, N, M/2 + 1], y [batch, out_channels, N, M]
before every stride-th output is kept. Cost: 5/2 · N·M · log₂(N·M) operations for each plane of
input, weight and output, and 8 · channels of them for each output and frequency. Workspace: every
plane and every spectrum, the filters' at the size of the input.

Source: T. Stockham, High-speed convolution and correlation, 1966; M. Mathieu, M. Henaff and
Y. LeCun, Fast training of convolutional networks through FFTs, 2014. It wins where kernels are
large and filters serve many images. Do not use it with NaN or infinity, which spread over the whole
plane; nor where small values beside large ones matter, for the error is relative to the plane's
norm; nor for small kernels or with strides, whose unread outputs it computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import cbrt, inf, prod

import numpy as np
from torch import Tensor

from glassconv.algorithms.parts import names, spectrum
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.padding import pad, padded_note
from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, Float64, gradual_underflow
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

# An envelope of what tests/test_fft.py measures, rms error ÷ im2col's in float32: 9.3 for a single
# product per output, 3.5 for 9, 1.5 for 64, about 1 for a few hundred, 2.9 for 2048 channels. The
# transforms' error hardly depends on the layer; a plain sum's grows with its products.
LEAST_GROWTH, GROWTH_OF_ONE_PRODUCT = 3.0, 10.0


def supports(problem: ConvProblem) -> Verdict:
    """Everything: any sum of products is a product of transforms."""
    return Verdict(True, "any problem: a product of Fourier transforms")


def cost(problem: ConvProblem) -> Cost:
    """Count transforms of whole planes and a product at every frequency."""
    return spectrum.cost(problem, _lengths(problem), blocks=1)


def error_bound(problem: ConvProblem) -> ErrorBound:
    """Normwise, of the whole plane; docs/algorithms/fft.md has the proof."""
    return ErrorBound(
        max_factor=spectrum.worst_factor(problem, _lengths(problem), additions=1),
        rms_factor=max(LEAST_GROWTH, GROWTH_OF_ONE_PRODUCT / cbrt(problem.taps_per_output)),
        formula="(1 + ε)²(1 + δ)(1 + 2ε)(1 + u) − 1, ε ≈ 8u · log₂ 2N",
        underflow=gradual_underflow(problem.taps_per_output + 1, problem.format),
        reference="Σ‖x‖₂‖w‖₂ + |b|",
        magnitude=_magnitude,
        window_factor=inf,
    )


def steps(
    problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Transform, multiply, transform back."""
    batch, groups, channels = problem.batch, problem.groups, problem.weight_shape[1]
    lengths = _lengths(problem)
    frequencies = names.along("frequency", problem)

    padded = pad(problem, input)
    named = ("batch", "in_channels", *names.sizes(problem))
    yield Step("padded", padded, named, padded_note(problem))

    filters = spectrum.dilated(problem, weight)
    named = ("groups", "filters of a group", "channels of a group", *names.kernel(problem))
    yield Step("filters", filters, named, "zeros in the holes of dilation")

    images = padded.reshape(batch, groups, channels, *padded.shape[2:])
    input_spectrum = spectrum.spectrum(images, lengths)
    named = ("batch", "groups", "channels of a group", *frequencies)
    yield Step("input spectrum", input_spectrum, named, "the input as a sum of waves")

    filter_spectrum = spectrum.spectrum(filters, lengths)
    named = ("groups", "filters of a group", "channels of a group", *frequencies)
    yield Step("filter spectrum", filter_spectrum, named, "each filter as large as the input")

    product = spectrum.mixed(input_spectrum, filter_spectrum)
    named = ("batch", "groups", "filters of a group", *frequencies)
    yield Step("product spectrum", product, named, "one number times another, at each frequency")

    full = spectrum.correlation(product, lengths).reshape(batch, problem.out_channels, *lengths)
    named = ("batch", "out_channels", *names.along("place", problem))
    yield Step("full correlation", full, named, "the filter at every place of the circle")

    kept = tuple(slice(0, axis.padded_size - axis.extent + 1, axis.stride) for axis in problem.axes)
    output = add_bias(problem, full[(slice(None),) * 2 + kept], bias).contiguous()
    yield Step("output", output, names.output(problem), "every stride-th place, plus the bias")


def _lengths(problem: ConvProblem) -> spectrum.Lengths:
    return tuple(spectrum.power_of_two(axis.padded_size) for axis in problem.axes)


def _magnitude(problem: ConvProblem, input: Array, weight: Array, bias: Array | None) -> Float64:
    """Return Σ_c ‖x_c‖₂ ‖w_fc‖₂ + |bias|: one number for each output plane."""
    planes = input.reshape(*input.shape[:2], prod(problem.input_size))
    size = spectrum.sizes(problem, _lengths(problem), planes, weight)
    size = size if bias is None else size + bias
    shape = problem.output_shape
    return np.broadcast_to(size.reshape(*shape[:2], *(1,) * problem.ndim), shape)
