"""Floating point formats, and γₙ: what n roundings in a row can do.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, section 3.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class FloatFormat:
    """One element type: its size in memory and the two numbers that bound its rounding."""

    name: str
    bytes: int
    unit_roundoff: float  # u: a rounded result is the true one times (1 + δ), |δ| ≤ u
    tiny: float  # the smallest positive number: what underflow can lose at most
    largest: float  # the largest finite number

    @property
    def smallest_normal(self) -> float:
        """Return the smallest positive number of full precision; below it numbers are subnormal.

        >>> FORMATS["float32"].smallest_normal == 2.0**-126
        True
        """
        return self.tiny / (2 * self.unit_roundoff)


FORMATS = {
    "float16": FloatFormat("float16", 2, 2.0**-11, 2.0**-24, (2 - 2.0**-10) * 2.0**15),
    "bfloat16": FloatFormat("bfloat16", 2, 2.0**-8, 2.0**-133, (2 - 2.0**-7) * 2.0**127),
    "float32": FloatFormat("float32", 4, 2.0**-24, 2.0**-149, (2 - 2.0**-23) * 2.0**127),
    "float64": FloatFormat("float64", 8, 2.0**-53, 2.0**-1074, (2 - 2.0**-52) * 2.0**1023),
}


HALF_PRECISION = frozenset({"float16", "bfloat16"})  # computed in float32, and rounded once


def arithmetic(dtype: str) -> str:
    """Return the element type in which numbers of this one are multiplied and added.

    >>> arithmetic("bfloat16"), arithmetic("float64")
    ('float32', 'float64')
    """
    return "float32" if dtype in HALF_PRECISION else dtype


def gamma(n: int, unit_roundoff: float) -> float:
    """Return γₙ = n·u / (1 − n·u), or infinity where n·u ≥ 1 and nothing can be promised.

    A product of n factors 1 + δ or 1 / (1 + δ), |δ| ≤ u, is 1 + θ with |θ| ≤ γₙ (lemma 3.1).

    >>> f"{gamma(76, 2.0**-24):.3g}"
    '4.53e-06'
    """
    rounded = n * unit_roundoff
    return rounded / (1 - rounded) if rounded < 1 else math.inf
