"""Epilogues in machine code: a residual added and an activation applied while outputs are near.

    output = activation(sum + bias + residual)

A residual lies as the output does, so one distance leads from any output to its residual. Kernels
whose tiles overlap finish an output in its register; the others finish what a task has just stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from math import factorial

import numpy as np

from glassconv.codegen.ir import INT, POINTER, Code, Module, Pointer, Value
from glassconv.problem.activations import Epilogue


def finished(
    code: Code,
    epilogue: Epilogue,
    total: Value,
    place: Pointer,
    distance: Value,
    mask: Value | None = None,
) -> Value:
    """Return what is stored at a place for a vector of sums there.

    distance: bytes from an output to its residual. mask: the lanes that exist, None for all.
    """
    if epilogue.residual:
        residual = place.bytes(distance)
        total = total + (residual.vector() if mask is None else residual.masked(mask))
    if epilogue.activation is None:
        return total
    return ACTIVATIONS[epilogue.activation](code, total)


def finisher(module: Module, epilogue: Epilogue) -> Code | None:
    """Write the function that finishes runs of stored sums, None where there is nothing to do.

    It takes (first run, runs, elements from run to run, elements of a run, distance).
    """
    if not epilogue:
        return None
    code = Code(module, "finish", [POINTER] + [INT] * 4)
    first, runs, step, length, distance = code.arguments()
    whole = length - length % code.lanes
    with code.loop(0, runs) as run:
        line = first + run * step
        with code.loop(0, whole, code.lanes) as e:
            place = line + e
            place[0] = finished(code, epilogue, place.vector(), place, distance)
        with code.when(length > whole):
            place, mask = line + whole, code.first_lanes(length - whole)
            total = finished(code, epilogue, place.masked(mask), place, distance, mask)
            place.store_masked(mask, total)
    code.finish()
    return code


def _relu(code: Code, x: Value) -> Value:
    """Return max(x, 0), and NaN for NaN."""
    zero = code.zeros()
    return code.select(x < zero, zero, x)


def _relu6(code: Code, x: Value) -> Value:
    six = code.constant(6)
    x = _relu(code, x)
    return code.select(x > six, six, x)


def _hardswish(code: Code, x: Value) -> Value:
    return x * _relu6(code, x + code.constant(3)) // code.constant(6)


def _silu(code: Code, x: Value) -> Value:
    """Return x / (1 + exp(−x))."""
    return x // (code.constant(1) + exp(code, code.zeros() - x))


ACTIVATIONS: Mapping[str, Callable[[Code, Value], Value]] = {
    "relu": _relu,
    "relu6": _relu6,
    "hardswish": _hardswish,
    "silu": _silu,
}


def exp(code: Code, x: Value) -> Value:
    """Return eˣ = 2ⁿ · eʳ, the whole n such that r = x − n · log 2 is least, eʳ by Taylor's series.

    |r| ≤ ½ log 2, so 7 terms leave less than 6e-9 of eʳ, a tenth of a float's rounding, and 13 less
    than 5e-18. NaN stays NaN; where eˣ overflows it is infinite.
    """
    wide = code.dtype == "float64"
    terms = 13 if wide else 7
    with localcontext(prec=40):
        log_2 = Decimal(2).ln()
        high = float(log_2) if wide else float(np.float32(float(log_2)))
        low = float(log_2 - Decimal(high))
    # Beyond these it overflows or vanishes all the same.
    most, least = (code.constant(sign * (760 if wide else 105)) for sign in (1, -1))
    x = code.select(x > most, most, x)
    x = code.select(x < least, least, x)
    n = code.rounded(x * code.constant(1 / float(log_2)))
    r = code.fma(n, code.constant(-low), code.fma(n, code.constant(-high), x))
    series = code.constant(1 / factorial(terms))
    for term in reversed(range(terms)):
        series = code.fma(series, r, code.constant(1 / factorial(term)))
    # In two halves: 2ⁿ itself may be larger than any number whose product with eʳ is not.
    half = code.rounded(n * code.constant(0.5))
    for part in (half, n - half):
        series = series * code.power_of_two(part)
    return series
