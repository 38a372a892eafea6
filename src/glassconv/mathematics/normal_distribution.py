"""The normal distribution function Φ as a polynomial, for GELU(x) = x · Φ(x).

Φ(x) − ½ is odd, so it is x · q(x²), with

    q(w) = (Φ(√w) − ½) / √w = 1/√(2π) · ∫₀¹ exp(−w·s²/2) ds

For 0 ≤ w ≤ W substitute w = W·(1 + y)/2, so that −1 ≤ y ≤ 1, and interpolate q at the Chebyshev
nodes of y. The result is a polynomial p of degree n in y.

*The error of p.* With c = W·s²/4 the integrand is exp(−c)·exp(−c·y), whose Chebyshev coefficients
are 2·exp(−c)·I_k(c), I_k being the modified Bessel functions. Interpolation at Chebyshev nodes errs
by at most twice the sum of the coefficients beyond n. From I_k(c) ≤ (c/2)^k/k! · exp(c²/(4(k + 1)))
and exp(C·(1 − s²)) ≤ s^(−2C) follows, with C = W/4 and k > C,

    |q − p| ≤ 4/√(2π) · Σ_{k>n} (C/2)^k/k! · exp(−C + C²/(4(k + 1))) / (2·(k − C) + 1)

*The rounding of p.* The coefficients of the Taylor series in y alternate in sign, and the sum of
their magnitudes is q(0) = 1/√(2π) ≈ 0.4, so Horner's rule is well conditioned on the whole
interval.

Source: the bound on interpolation is L. N. Trefethen's, Approximation Theory and Approximation
Practice, 2013, theorem 4.2; the bound on I_k is from its power series.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from itertools import count
from math import cos, erfc, exp, lgamma, log, pi, sqrt

DIGITS = 60  # the series of q cancels up to 16 of them


@dataclass(frozen=True)
class NormalDistribution:
    """Φ(x) ≈ ½ + x · p(2·x²/limit² − 1) for |x| ≤ limit; beyond, it is 0 or 1 within u."""

    limit: float
    coefficients: tuple[float, ...]  # of p, from the constant one


@cache
def normal_distribution(unit_roundoff: float) -> NormalDistribution:
    """Return the polynomial of least degree whose truncation error in Φ is at most u.

    >>> [len(normal_distribution(u).coefficients) for u in (2**-24, 2**-53)]
    [16, 38]
    """
    limit = next(x / 10 for x in count(10) if erfc(x / 10 / sqrt(2)) / 2 <= unit_roundoff)
    degree = next(
        n for n in count(int(limit**2 / 4) + 1) if limit * truncation(limit, n) <= unit_roundoff
    )
    return NormalDistribution(limit, _interpolation(limit, degree))


def truncation(limit: float, degree: int) -> float:
    """Return the bound on |q − p| for |x| ≤ limit."""
    c = limit**2 / 4
    total = 0.0
    for k in count(degree + 1):
        logarithm = k * log(c / 2) - lgamma(k + 1) - c + c**2 / (4 * (k + 1))
        term = exp(logarithm) / (2 * (k - c) + 1)
        total += term
        if term < total * 1e-3:  # the terms decrease faster than a geometric series of ratio ½
            return 4 / sqrt(2 * pi) * (total + term)
    raise AssertionError


def _interpolation(limit: float, degree: int) -> tuple[float, ...]:
    nodes = [cos((2 * i + 1) * pi / (2 * degree + 2)) for i in range(degree + 1)]
    with localcontext(prec=DIGITS):
        width = Decimal(limit) ** 2

        def q(y: Decimal) -> Decimal:
            return _q(width * (1 + y) / 2)

        return tuple(float(each) for each in interpolate(q, [Decimal(node) for node in nodes]))


def _q(w: Decimal) -> Decimal:
    """Return q(w) by its series, 1/√(2π) · Σ_k (−w/2)^k / (k!·(2k + 1))."""
    total, power = Decimal(0), Decimal(1)
    for k in count():
        total += power / (2 * k + 1)
        power *= -w / 2 / (k + 1)
        if k > w and abs(power) < Decimal(10) ** (8 - DIGITS):
            break
    return total / (2 * Decimal(pi)).sqrt()


def interpolate(function: Callable[[Decimal], Decimal], nodes: Sequence[Decimal]) -> list[Decimal]:
    """Return the coefficients of the polynomial through a function's values, the constant first.

    >>> [int(c) for c in interpolate(lambda y: 3 + y**2, [Decimal(n) for n in (-1, 0, 1, 2)])]
    [3, 0, 1, 0]
    """
    differences = [function(node) for node in nodes]  # Newton's divided differences
    for order in range(1, len(nodes)):
        for i in range(len(nodes) - 1, order - 1, -1):
            rise = differences[i] - differences[i - 1]
            differences[i] = rise / (nodes[i] - nodes[i - order])
    coefficients = [Decimal(0)] * len(nodes)
    for node, difference in zip(reversed(nodes), reversed(differences), strict=True):
        shifted = [Decimal(0), *coefficients[:-1]]  # Horner: multiply by (y − node), then add
        coefficients = [high - node * low for high, low in zip(shifted, coefficients, strict=True)]
        coefficients[0] += difference
    return coefficients
