"""How wrong an algorithm may be: a factor that is proven, times a size it is measured against.

Sources: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, chapter 3;
C.-P. Jeannerod and S. M. Rump, Improved error bounds for inner products in floating-point
arithmetic, 2013.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FloatFormat

Float64 = npt.NDArray[np.float64]
Scale = Callable[
    [ConvProblem, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | None], Float64
]


@dataclass(frozen=True)
class ErrorBound:
    """A promise about every output: |error| ≤ worst · scale.

    worst: proven; infinite where nothing is promised.
    growth: measured. The rms error on zero-mean random data, as a multiple of PyTorch's own; 1 for
        whatever sums plain products.
    scale: from problem, |input|, |weight| and |bias| to an array of the output's shape in float64.
        None for algorithms that sum plain products: Σ|x||w| + |bias|.
    local: whether a NaN or infinity touches only outputs whose window holds it. Where it does not,
        nothing is promised wherever the scale is not finite.
    """

    worst: float
    growth: float
    formula: str  # of worst, with its numbers
    measure: str = "Σ|x||w| + |b|"  # what scale is, in a formula
    scale: Scale | None = None
    local: bool = True


def sum_of_products_bound(products: int, format: FloatFormat) -> ErrorBound:
    """Return the bound of an algorithm that sums `products` plain products, then adds a bias.

    An inner product of length n is off by at most n · u · Σ|x||w|, for every n, in whatever order
    it is summed, with or without fused multiply-add (docs/error-bounds.md). A bias is one more
    term.
    """
    n = products + 1
    u = format.unit_roundoff
    return ErrorBound(worst=n * u, growth=1.0, formula=f"{n}·u, u = {u:.3g}")
