"""Bounds by an output's own window, for algorithms whose intermediate arrays mix windows.

    |error| ≤ K · n · u · (max|w| · Σ|x| + |b|)      x window, w filter, b bias, n products + 1

A tile or a block is computed as a whole, so its large numbers add to the error of all its outputs.
An algorithm keeps this bound if it finds the outputs that it might not hold for and computes them
as plain sums. K decides how many those are; docs/adr/0014 has the reasons.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from torch import Tensor

from glassconv.algorithms.direct import define
from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.error_bound import ErrorBound, Float64, Underflow, gradual_underflow

SPARE = 4  # K is this multiple of what equal pixels need,
MOST = 20  # or this where it suffices for them


def window_factor(needed: float) -> int:
    """Return K. needed: the K with which equal pixels are within the bound, whatever the weight."""
    return ceil(SPARE * needed if needed > MOST else min(SPARE * needed, MOST))


def error_bound(problem: ConvProblem, factor: int, rms_factor: float, lost: float) -> ErrorBound:
    """Return the bound. factor: K. lost: by underflow, beside what a plain sum may lose."""
    n, u = problem.taps_per_output + 1, problem.format.unit_roundoff
    return ErrorBound(
        max_factor=factor * n * u,
        rms_factor=rms_factor,
        formula=f"{factor}·{n}·u, u = {u:.3g}",
        underflow=Underflow(gradual_underflow(n, problem.format).constant + lost),
        reference="max|w| Σ|x| + |b|",
        magnitude=_magnitude,
        window_factor=float(factor),
    )


def _magnitude(problem: ConvProblem, input: Array, weight: Array, bias: Array | None) -> Float64:
    """Return max|w| · Σ|x| + |bias|: the maximum over a filter, the sum over a window."""
    largest = weight.max(axis=tuple(range(1, weight.ndim)), keepdims=True)
    magnitude: Float64 = define(problem, input, np.broadcast_to(largest, weight.shape), bias)
    return magnitude


def all_known(within: Tensor) -> bool:
    """Return whether every entry of a mask is known to be true."""
    if torch.compiler.is_compiling():
        return False
    try:
        return bool(within.all())
    except RuntimeError:  # vmap, fake tensors, tracing: there is no number to look at
        return False
