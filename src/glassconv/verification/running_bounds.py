"""Two bounds on the error of the published order, from the sums that it passes through.

An output in the published order is off by exactly the sum of its rounding errors: one for each
product, one for each block. The sum that is rounded at step k has the exact value t_k, and

    |δ_k| ≤ h_k = ½ ulp(|s_k| + ρ_k)        s_k: t_k as it would be without rounding

with ρ_k from the theorem on sums of k products. All h_k follow from the operands alone.

    |error| ≤ Σ h_k                          guaranteed
    |error| ≤ √(2 · ln(2·N/p)) · √(Σ h_k²)   for all N outputs, with probability 1 − p

The second assumes that each rounding error has the mean zero, whatever the earlier ones were.

Sources: docs/error-bounds.md; I. C. F. Ipsen and H. Zhou, Probabilistic error analysis for inner
products, 2020; W. Hoeffding, 1963, and K. Azuma, 1967, for the inequality.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log, prod, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from glassconv.algorithms import named
from glassconv.algorithms.ordered import BLOCK, taps
from glassconv.dispatch.dispatch import run
from glassconv.problem.dtypes import FORMATS, FloatFormat, arithmetic
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.problem import Problem, as_problem, equal_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.error_bound import FLUSHED, Float64
from glassconv.reports.running_bounds import RunningBounds
from glassconv.reports.verdict import Verdict
from glassconv.verification.definition import allowed_error, definition

ORDERED = "ordered"  # the algorithm whose order is published
PROBABILITY = 1e-10  # that the second bound fails for any output of a problem
SAMPLE = 4096  # outputs of a larger problem that are looked at, drawn at random

Mask = npt.NDArray[np.bool_]


class Bounds(NamedTuple):
    """Both bounds of some outputs, [outputs]; infinite where a sum may overflow or become NaN."""

    guaranteed: Float64
    probable: Float64


def running_bounds(
    problem: str | Problem, operands: Operands | None = None, *, seed: int = 0
) -> RunningBounds:
    """Compute a problem in the published order, and compare its errors with both bounds.

    problem: an object, or shorthand. A large one is judged by `SAMPLE` of its outputs.

    Raises `ShapeError` or `DtypeError` for operands of another problem.

    >>> found = running_bounds("64x14x14 8@3x3 p1")
    >>> found.error < found.probable < found.guaranteed < found.plain
    True
    """
    problem = as_problem(problem)
    operands = operands or random_operands(problem, seed)
    truth = definition(problem, operands)
    outputs = sample(problem)
    with torch.no_grad():
        computed = run(problem, ORDERED, operands.input, operands.weight, operands.bias)
    bounds = bounds_of(problem, operands, outputs)
    plain = named(ORDERED).error_bound(problem)
    allowed = allowed_error(problem, plain, operands, truth.magnitude).ravel()[outputs]
    own = _definition_error(problem, truth.magnitude.ravel()[outputs])
    bounded = np.isfinite(bounds.guaranteed)
    with np.errstate(invalid="ignore"):
        error = np.abs(to_numpy(computed).astype(np.float64) - truth.output).ravel()[outputs]
    error, own, allowed = error[bounded], own[bounded], allowed[bounded]
    guaranteed, probable = bounds.guaranteed[bounded], bounds.probable[bounded]
    beyond = int((error > guaranteed + own).sum())
    return RunningBounds(
        problem=problem,
        verdict=Verdict(not beyond, f"{beyond} of {error.size} errors exceed the guaranteed bound"),
        outputs=error.size,
        error=float(error.max(initial=0.0)),
        guaranteed=float(guaranteed.max(initial=0.0)),
        probable=float(probable.max(initial=0.0)),
        probability=PROBABILITY,
        improbable=int((error > probable + own).sum()),
        plain=float(allowed.max(initial=0.0)),
    )


def sample(problem: Problem) -> npt.NDArray[np.intp]:
    """Return the numbers of the outputs to look at: all, or `SAMPLE` of them, drawn at random."""
    count = prod(problem.output_shape)
    if count <= SAMPLE:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, SAMPLE, replace=False))


def bounds_of(problem: Problem, operands: Operands, outputs: npt.NDArray[np.intp]) -> Bounds:
    """Return both bounds of the outputs with these numbers, counted in the order of the axes.

    They hold for any operands. A block of `BLOCK` products of all outputs is in memory at a time.
    """
    format, terms = FORMATS[arithmetic(problem.dtype)], 0
    total = np.zeros(len(outputs))
    if operands.bias is not None:
        filter = outputs // prod(problem.output_size) % problem.out_channels
        total = to_numpy(operands.bias).astype(np.float64)[filter]
    magnitude = np.abs(total)
    guaranteed, probable = np.zeros(len(outputs)), np.zeros(len(outputs))
    with np.errstate(over="ignore", invalid="ignore"):
        for products, nonzero in _blocks(problem, operands, outputs):
            sums, magnitudes = np.cumsum(products, 0), np.cumsum(np.abs(products), 0)
            counts = np.arange(1, len(products) + 1)[:, None]
            in_block = _rounding(format, sums, magnitudes, counts, nonzero)
            # Adding to +0 is exact, and so is adding a block of zeros.
            inexact = nonzero.any(0) & (operands.bias is not None or terms > 0)
            total, magnitude = total + sums[-1], magnitude + magnitudes[-1]
            terms += len(products)
            of_block = _rounding(format, total, magnitude, terms + 1, inexact)
            errors = np.vstack([in_block, of_block])
            guaranteed += errors.sum(0)
            probable = np.hypot(probable, np.hypot.reduce(errors))
        if problem.format != format:  # the output is rounded once more
            last = _rounding(problem.format, total, magnitude, terms + 1, np.True_, format)
            guaranteed, probable = guaranteed + last, np.hypot(probable, last)
    likely = sqrt(2 * log(2 * max(1, prod(problem.output_shape)) / PROBABILITY))
    evaluation = 1 + 4 * (terms + 2) * FORMATS["float64"].unit_roundoff  # of the lines above
    return Bounds(guaranteed * evaluation, np.minimum(guaranteed, likely * probable) * evaluation)


def _rounding(
    format: FloatFormat,
    sums: Float64,
    magnitudes: Float64,
    terms: int | npt.NDArray[np.intp],
    inexact: Mask | np.bool_,
    summed: FloatFormat | None = None,
) -> Float64:
    """Return what one rounding of a sum may add: half a unit in its last place at most.

    sums, magnitudes: Σp and Σ|p| of so many terms, in float64. summed: the format of the additions,
    where the rounding is to another. The sum that is rounded may be off by terms · (u · Σ|p| + τ),
    and so may the one that is given: one term more covers that Σ|p| is rounded, too.
    """
    adding = summed or format
    off = 2 * (terms + 1) * (adding.unit_roundoff * magnitudes + adding.tiny)
    largest = np.abs(sums) + off
    _, exponent = np.frexp(largest)  # fraction · 2^exponent, ½ ≤ fraction < 1
    lost = format.smallest_normal if format.name in FLUSHED else format.tiny
    half_unit = np.maximum(np.ldexp(format.unit_roundoff, exponent - 1), lost)
    return np.where(largest <= format.largest, np.where(inexact, half_unit, 0.0), np.inf)


def _blocks(
    problem: Problem, operands: Operands, outputs: npt.NDArray[np.intp]
) -> Iterator[tuple[Float64, Mask]]:
    """Yield each block's products, [products, outputs], and where both factors are not zero.

    They are in the published order; padding is zero.
    """
    groups, pixels = problem.groups, prod(problem.input_size)
    channels, filters = problem.in_channels // groups, problem.out_channels // groups
    kernels = operands.weight
    if isinstance(problem, TransposedProblem):
        kernels = problem.flip(kernels)
    w = to_numpy(kernels).astype(np.float64).reshape(problem.out_channels, channels, -1)
    x = (
        to_numpy(operands.input)
        .astype(np.float64)
        .reshape(problem.batch, problem.in_channels, pixels)
    )
    x = np.pad(x, ((0, 0), (0, 0), (0, 1)))  # one pixel more, for all padding
    shape = (problem.batch, problem.out_channels, prod(problem.output_size))
    image, filter, position = np.unravel_index(outputs, shape)
    reads = np.stack([each[position] for each in _pixels(problem)])  # [taps, outputs]
    first = filter // filters * channels
    terms = equal_convolution(problem).taps_per_output
    for start in range(0, terms, BLOCK):
        tap, channel = np.divmod(np.arange(start, min(start + BLOCK, terms)), channels)
        left = w[filter, channel[:, None], tap[:, None]]
        right = x[image, first + channel[:, None], reads[tap]]
        yield left * right, (left != 0) & (right != 0)


def _pixels(problem: Problem) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the pixel that each output position reads, for each tap; for padding one after all."""
    pixels = np.arange(prod(problem.input_size)).reshape(problem.input_size)
    for _, writes, reads in taps(problem):
        found = np.full(problem.output_size, pixels.size)
        found[writes] = pixels[reads]
        yield found.ravel()


def _definition_error(problem: Problem, magnitude: Float64) -> Float64:
    """Return what the definition's own rounding in float64 may add to a difference."""
    terms = equal_convolution(problem).taps_per_output + 1
    float64 = FORMATS["float64"]
    return terms * (float64.unit_roundoff * magnitude + float64.tiny)
