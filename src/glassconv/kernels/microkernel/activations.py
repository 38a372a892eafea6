"""The code of the activations, on a vector in registers; each propagates NaN.

Their errors are relative to the size of the argument: |f̂(x) − f(x)| ≤ 8·u·|x|, and 8·u for the
sigmoid. The constants of `exp` are 1/n!; those of GELU are derived in
`mathematics/normal_distribution.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, localcontext
from math import factorial

import numpy as np

from glassconv.codegen.ir import Code, Value
from glassconv.mathematics.normal_distribution import normal_distribution
from glassconv.problem.dtypes import FORMATS


def _relu(code: Code, x: Value) -> Value:
    """Return max(x, 0), propagating NaN."""
    zero = code.zeros()
    return code.select(x < zero, zero, x)


def _relu6(code: Code, x: Value) -> Value:
    six = code.constant(6)
    x = _relu(code, x)
    return code.select(x > six, six, x)


def _hardswish(code: Code, x: Value) -> Value:
    return x * _relu6(code, x + code.constant(3)) / code.constant(6)


def _sigmoid(code: Code, x: Value) -> Value:
    """Return 1 / (1 + exp(−x))."""
    one = code.constant(1)
    return one / (one + exp_of_moderate(code, code.zeros() - x))


def _silu(code: Code, x: Value) -> Value:
    """Return x / (1 + exp(−x))."""
    return x / (code.constant(1) + exp_of_moderate(code, code.zeros() - x))


def _gelu(code: Code, x: Value) -> Value:
    """Return x · Φ(x)."""
    return x * _normal_distribution(code, x)


def _normal_distribution(code: Code, x: Value) -> Value:
    """Return Φ(x) as ½ + x · p(2·x²/limit² − 1)."""
    normal = normal_distribution(FORMATS[code.dtype].unit_roundoff)
    limit, one = code.constant(normal.limit), code.constant(1)
    y = code.fma(x * x, code.constant(2 / normal.limit**2), code.constant(-1))
    y = code.select(y > one, one, y)
    phi = code.fma(x, polynomial(code, y, normal.coefficients), code.constant(0.5))
    phi = code.select(x > limit, one, phi)
    return code.select(x < code.constant(-normal.limit), code.zeros(), phi)


ACTIVATIONS: Mapping[str, Callable[[Code, Value], Value]] = {
    "relu": _relu,
    "relu6": _relu6,
    "hardswish": _hardswish,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "gelu": _gelu,
}


def exp(code: Code, x: Value) -> Value:
    """Return eˣ as 2ⁿ · eʳ with n = round(x / log 2) and r = x − n · log 2.

    eʳ is a Taylor polynomial. Because |r| ≤ ½ log 2, its relative truncation error is below 6e-9
    with 7 terms (the unit roundoff of float32 is 6e-8) and below 5e-18 with 13. NaN is propagated;
    overflow returns infinity.
    """
    # Clamped, because beyond these arguments the result overflows or underflows anyway.
    limit = 760 if code.dtype == "float64" else 105
    x = _clamped(code, x, -limit, limit)
    n = code.rounded(x * code.constant(1 / _log_2(code)[0]))
    series = _exp_of_rest(code, x, n)
    # Scaled by 2^(n/2) twice, because 2ⁿ may overflow although 2ⁿ · eʳ does not.
    half = code.rounded(n * code.constant(0.5))
    for exponent in (half, n - half):
        series = series * code.power_of_two(exponent)
    return series


def exp_of_moderate(code: Code, x: Value) -> Value:
    """Return eˣ in two thirds of the time: at least the least normal number, and infinity early.

    What is added to 1 needs no smaller numbers. Infinity is returned from 2^127.5 on (float32) or
    2^1023.5 (float64), where it is right to return it for the reciprocal's error of 2⁻¹²⁷.
    """
    is_float64 = code.dtype == "float64"
    x = _clamped(code, x, *((-708, 710) if is_float64 else (-87, 89)))
    n, power = code.rounded_and_power_of_two(x, 1 / _log_2(code)[0])
    return _exp_of_rest(code, x, n) * power


def _clamped(code: Code, x: Value, least: float, most: float) -> Value:
    lower, upper = code.constant(least), code.constant(most)
    x = code.select(x > upper, upper, x)
    return code.select(x < lower, lower, x)


def _exp_of_rest(code: Code, x: Value, n: Value) -> Value:
    """Return eʳ for r = x − n · log 2."""
    _, high, low = _log_2(code)
    r = code.fma(n, code.constant(-low), code.fma(n, code.constant(-high), x))
    terms = 13 if code.dtype == "float64" else 7
    return polynomial(code, r, [1 / factorial(term) for term in range(terms + 1)])


def _log_2(code: Code) -> tuple[float, float, float]:
    """Return log 2, and as the sum of two numbers of the element type."""
    with localcontext(prec=40):
        log_2 = Decimal(2).ln()
        high = float(log_2) if code.dtype == "float64" else float(np.float32(float(log_2)))
        return float(log_2), high, float(log_2 - Decimal(high))


def polynomial(code: Code, x: Value, coefficients: Sequence[float]) -> Value:
    """Return Σ coefficients[k] · xᵏ by Estrin's scheme, whose additions wait for fewer others.

    Pairs of terms are joined, a + b·x, into the coefficients of a polynomial in x². Horner's rule
    has as many multiply-adds but each waits for the last, five cycles on most processors.

    Source: G. Estrin, Organization of computer systems: the fixed plus variable structure computer,
    1960.
    """
    terms = [code.constant(each) for each in coefficients]
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        last = terms[-1:] if len(terms) % 2 else []
        terms = [code.fma(odd, x, even) for even, odd in pairs] + last
        x = x * x
    return terms[0]
