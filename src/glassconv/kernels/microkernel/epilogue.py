"""Epilogues in machine code, fused: applied while the output tile is in registers or in cache.

    output = activation(sum + bias + residual)

A residual has the output's memory layout, so one distance leads from any output to its residual.
Kernels whose tiles overlap apply the epilogue in registers; the others apply it to what a task has
just stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from math import factorial

import numpy as np

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.problem.activations import Epilogue


def apply_epilogue(
    code: Code,
    epilogue: Epilogue,
    total: Value,
    place: Pointer,
    residual_distance: Value,
    mask: Value | None = None,
) -> Value:
    """Return what is stored at a place for a vector of sums there.

    residual_distance: bytes from an output to its residual. mask: the lanes that exist, None for
    all.
    """
    if epilogue.residual:
        residual = place.add_bytes(residual_distance)
        total = total + (residual.vector() if mask is None else residual.masked(mask))
    if epilogue.activation is None:
        return total
    return ACTIVATIONS[epilogue.activation](code, total)


def epilogue_function(module: Module, epilogue: Epilogue) -> Function | None:
    """Write the function that applies an epilogue to stored sums, None where there is none.

    It takes `runs` runs of `length` sums, the first at `sums` and each `stride` elements after the
    one before.
    """
    if not epilogue:
        return None

    @function(module)
    def apply_to_runs(
        code: Code,
        sums: Pointer,
        runs: Value,
        stride: Value,
        length: Value,
        residual_distance: Value,
    ) -> None:
        whole = length - length % code.lanes
        with code.loop(0, runs) as run:
            line = sums + run * stride
            with code.loop(0, whole, code.lanes) as e:
                place = line + e
                place[0] = apply_epilogue(code, epilogue, place.vector(), place, residual_distance)
            with code.if_(length > whole):
                place, mask = line + whole, code.first_lanes(length - whole)
                total = place.masked(mask)
                total = apply_epilogue(code, epilogue, total, place, residual_distance, mask)
                place.store_masked(mask, total)

    return apply_to_runs


def _relu(code: Code, x: Value) -> Value:
    """Return max(x, 0), and NaN for NaN."""
    zero = code.zeros()
    return code.select(x < zero, zero, x)


def _relu6(code: Code, x: Value) -> Value:
    six = code.constant(6)
    x = _relu(code, x)
    return code.select(x > six, six, x)


def _hardswish(code: Code, x: Value) -> Value:
    return x * _relu6(code, x + code.constant(3)) / code.constant(6)


def _silu(code: Code, x: Value) -> Value:
    """Return x / (1 + exp(−x))."""
    return x / (code.constant(1) + exp(code, code.zeros() - x))


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
