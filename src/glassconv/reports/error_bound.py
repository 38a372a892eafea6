"""Error bounds: |error| ≤ a proven factor times a magnitude of the operands, plus underflow.

Sources: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, chapter 3;
C.-P. Jeannerod and S. M. Rump, Improved error bounds for inner products in floating-point
arithmetic, 2013.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FloatFormat

Float64 = npt.NDArray[np.float64]
Magnitude = Callable[
    [ConvProblem, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | None], Float64
]

# Element types whose subnormal numbers may be taken as zero. x86's bfloat16 instructions do so
# (vdpbf16ps, tdpbf16ps, vcvtneps2bf16), whatever the processor's control register says. float16 is
# converted to float32, where none of its products is subnormal, and back without flushing.
FLUSHED = frozenset({"bfloat16"})


@dataclass(frozen=True)
class Underflow:
    """The error that numbers below the smallest normal one may add to an output.

    It is at most constant + factor · (Σ|x||w| over the products with a factor below `smallest`).
    """

    constant: float
    smallest: float = 0.0  # inputs and weights below it may be taken as zero; 0 where none are
    factor: float = 1.0


@dataclass(frozen=True)
class ErrorBound:
    """A bound for every output element: |error| ≤ max_factor · magnitude + underflow.

    max_factor: proven; infinite where no bound holds.
    rms_factor: measured. The rms error on zero-mean random data, as a multiple of PyTorch's own; 1
        for every algorithm that sums plain products.
    formula: max_factor as a formula, with its numbers.
    underflow: what subnormal numbers may add.
    reference: the magnitude as a formula.
    magnitude: from problem, |input|, |weight| and |bias| to a float64 array of the output's shape.
        None for algorithms that sum plain products: Σ|x||w| + |bias|.
    window_factor: the least K for which |error| ≤ K · n · u · (max|w| · Σ|x| + |bias|) + underflow,
        n products + 1, Σ over the output's own window: 1 for plain sums. Infinite where the error
        may depend on other numbers; then no bound holds for outputs whose magnitude is not finite.
    stray_non_finite: why outputs may be NaN or infinite although their window holds finite numbers
        only, while the operands hold a NaN or infinity elsewhere; empty where they may not. No
        bound holds for such outputs. It holds for all others.
    """

    max_factor: float
    rms_factor: float
    formula: str
    underflow: Underflow
    reference: str = "Σ|x||w| + |b|"
    magnitude: Magnitude | None = field(default=None, compare=False)  # its formula is compared
    window_factor: float = 1.0
    stray_non_finite: str = ""

    @property
    def plain(self) -> bool:
        """Return whether outputs are plain sums of products, not of transformed numbers."""
        return self.window_factor <= 1

    @property
    def local(self) -> bool:
        """Return whether the error of an output depends only on its own window."""
        return self.window_factor < inf


def sum_of_products_bound(products: int, format: FloatFormat) -> ErrorBound:
    """Return the bound of an algorithm that sums `products` plain products, then adds a bias.

    An inner product of length n is off by at most n · u · Σ|x||w|, for every n, in whatever order
    it is summed, with or without fused multiply-add (docs/error-bounds.md). A bias is one more
    term.
    """
    n = products + 1
    u = format.unit_roundoff
    flushes = format.name in FLUSHED
    return ErrorBound(
        max_factor=n * u,
        rms_factor=1.0,
        formula=f"{n}·u, u = {u:.3g}",
        underflow=flush_to_zero(n, format) if flushes else gradual_underflow(n, format),
    )


def rounded_once(bound: ErrorBound, format: FloatFormat) -> ErrorBound:
    """Return the bound of an output that was computed within `bound`, then rounded to a format.

    An output that is off by f · S + d is at most (1 + f) · S + d, so rounding adds at most u times
    as much. A subnormal result may become zero in bfloat16; in float16 it is off by τ/2 at most, τ
    the smallest positive number. See docs/error-bounds.md.

    The rounding is the larger part by far, for PyTorch too, so that the rms error is PyTorch's.
    """
    u, magnitude = format.unit_roundoff, bound.magnitude
    lost = format.smallest_normal if format.name in FLUSHED else format.tiny / 2
    if magnitude is not None:
        magnitude = partial(_magnitude_in_float32, magnitude)
    return replace(
        bound,
        magnitude=magnitude,
        max_factor=bound.max_factor + u * (1 + bound.max_factor),
        rms_factor=1.0,
        formula=f"{bound.formula}, rounded to {format.name} once, {u:.3g}",
        underflow=replace(
            bound.underflow,
            constant=bound.underflow.constant * (1 + u) + lost,
        ),
    )


def _magnitude_in_float32(
    magnitude: Magnitude,
    problem: ConvProblem,
    input: npt.NDArray[Any],
    weight: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None,
) -> Float64:
    return magnitude(problem.widened(), input, weight, bias)


def gradual_underflow(terms: int, format: FloatFormat) -> Underflow:
    """Return what n terms lose by IEEE 754's underflow: n · τ, τ the smallest positive number.

    A product loses τ/2 at most, sums in the subnormal range are exact. The float64 definition that
    judges an output may lose as much; the two halves together are τ.
    """
    amplification = 1 + terms * format.unit_roundoff
    return Underflow(terms * format.tiny * max(1.0, amplification / 2))


def flush_to_zero(terms: int, format: FloatFormat) -> Underflow:
    """Return what n terms lose where every subnormal number may become zero.

    An input or weight below the smallest normal number N loses its products. Each of the n terms,
    the n − 1 sums and the conversion of the result loses at most N: 2 · n · N.
    """
    amplification = 1 + terms * format.unit_roundoff
    return Underflow(
        constant=amplification * 2 * terms * format.smallest_normal,
        smallest=format.smallest_normal,
        factor=amplification,
    )
