"""The definition of a problem in float64, with which every output is compared, and Σ|x||w| + |b|.

A convolution is defined in `algorithms/direct.py`. A transposed convolution scatters: every input
element adds its products to the outputs that it reaches,

    y[b, f, o·s + k·d − p] += w[c, f, k] · x[b, c, o]

with s the stride, d the dilation and p the padding. No zeros are inserted: only the products that
exist are computed.

Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016, ch. 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt
import torch

from glassconv.algorithms.direct import define
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.operands import Operands, to_numpy
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.array import Array
from glassconv.reports.error_bound import ErrorBound, Float64, Magnitude

Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Definition:
    """The output of a problem's operands, and Σ|x||w| + |bias|, both in float64."""

    output: Float64
    magnitude: Float64


def definition(problem: Problem, operands: Operands) -> Definition:
    """Return the output in float64, and Σ|x||w| + |bias| for every element of it.

    Raises `ShapeError` or `DtypeError` for operands of another problem.
    """
    operands.check(problem)
    input, weight, bias = _arrays(operands)
    absolute = np.abs(input), np.abs(weight), None if bias is None else np.abs(bias)
    with np.errstate(invalid="ignore", over="ignore"):
        return Definition(
            _define(problem, input, weight, bias),
            _define(problem, *absolute),
        )


def allowed_error(
    problem: Problem, bound: ErrorBound, operands: Operands, plain: Float64
) -> Float64:
    """Return the bound of every element: the algorithm's, and the definition's own in float64.

    plain: Σ|x||w| + |bias|, as `definition` returns it.
    """
    terms = equal_convolution(problem).taps_per_output + 1
    own = terms * FORMATS["float64"].unit_roundoff
    with np.errstate(invalid="ignore", over="ignore"):
        magnitude = plain if bound.magnitude is None else _of(bound.magnitude, problem, operands)
        underflow = _underflow(problem, bound, operands)
        return bound.max_factor * magnitude + own * plain + underflow


def padding_times_infinity(problem: Problem, operands: Operands) -> npt.NDArray[np.bool_]:
    """Return the outputs for which a weight that is not finite meets padding.

    The definition skips these products. An algorithm that multiplies by zero, as PyTorch's
    convolution does, gets NaN. No algorithm does so in a transposed convolution.
    """
    found = np.zeros(problem.output_shape, np.bool_)
    if isinstance(problem, TransposedProblem):
        return found
    not_finite = np.any(~np.isfinite(to_numpy(operands.weight)), axis=1)  # [filters, *kernel_size]
    for tap in problem.taps():
        at_tap = not_finite[(slice(None), *tap)]
        if at_tap.any():
            no_product = np.ones(problem.output_size, np.bool_)
            no_product[problem.tap_slices(tap)[0]] = False
            found |= np.multiply.outer(at_tap, no_product)
    return found


def _arrays(operands: Operands) -> tuple[Array, Array, Array | None]:
    bias = None if operands.bias is None else to_numpy(operands.bias)
    return to_numpy(operands.input), to_numpy(operands.weight), bias


def _define(problem: Problem, input: Array, weight: Array, bias: Array | None) -> Float64:
    if isinstance(problem, TransposedProblem):
        return _define_transposed(problem, input, weight, bias)
    return define(problem, input, weight, bias)


def _define_transposed(
    problem: TransposedProblem, input: Array, weight: Array, bias: Array | None
) -> Float64:
    batch, groups = problem.batch, problem.groups
    channels, filters = problem.in_channels // groups, problem.out_channels // groups
    x = input.astype(np.float64).reshape(batch, groups, channels, *problem.input_size)
    w = weight.astype(np.float64).reshape(groups, channels, filters, *problem.kernel_size)
    output = np.zeros((batch, groups, filters, *problem.output_size))
    leading = (slice(None),) * 3
    for tap, reads, writes in _scatter(problem):
        pixels = x[leading + reads]
        positions = pixels.shape[3:]
        products = np.swapaxes(w[leading + tap], 1, 2) @ pixels.reshape(
            batch, groups, channels, prod(positions)
        )
        output[leading + writes] += products.reshape(batch, groups, filters, *positions)
    output = output.reshape(problem.output_shape)
    if bias is not None:
        output += bias.astype(np.float64).reshape(-1, *(1,) * problem.ndim)
    return output


def _scatter(problem: TransposedProblem) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
    """Yield for every tap the inputs that it reads and the outputs that it adds to."""
    for tap in product(*map(range, problem.kernel_size)):
        reads, writes = [], []
        for axis, k in enumerate(tap):
            stride = problem.stride[axis]
            offset = k * problem.dilation[axis] - problem.padding[axis][0]
            first = max(0, -(offset // stride))
            stop = -((offset - problem.output_size[axis]) // stride)
            stop = max(first, min(problem.input_size[axis], stop))
            reads.append(slice(first, stop))
            start = first * stride + offset
            writes.append(slice(start, start + (stop - first) * stride, stride))
        yield tap, tuple(reads), tuple(writes)


def _of(function: Magnitude, problem: Problem, operands: Operands) -> Float64:
    """Return a function of the convolution's operands in absolute value, of the output's shape."""
    input, weight, bias = operands.input, operands.weight, operands.bias
    if isinstance(problem, TransposedProblem):
        input, weight, bias = problem.convolution_arrays(input, weight, bias)
    x, w, b = _arrays(Operands(input, weight, bias))
    absolute = np.abs(x), np.abs(w), None if b is None else np.abs(b)
    magnitude = function(equal_convolution(problem), *absolute)
    if isinstance(problem, TransposedProblem):
        magnitude = to_numpy(problem.cut(torch.tensor(magnitude)))
    return magnitude


def _underflow(problem: Problem, bound: ErrorBound, operands: Operands) -> Float64 | float:
    """Return what subnormal numbers may add to the error, stated by the bound."""
    underflow = bound.underflow
    if not underflow.smallest:
        return underflow.constant
    x, w = np.abs(to_numpy(operands.input)), np.abs(to_numpy(operands.weight))
    small_x = np.where(x < underflow.smallest, x, 0)
    small_w = np.where(w < underflow.smallest, w, 0)
    lost = _define(problem, small_x, w, None) + _define(problem, x, small_w, None)
    return underflow.factor * lost + underflow.constant
