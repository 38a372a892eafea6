"""Fused epilogues: residual and activation, applied while the output is in registers or cache.

    output = activation(sum + bias + residual)

The residual has the strides of the output, so the byte offset from an output to its residual is
constant. Kernels whose tiles overlap apply the epilogue in registers; the others apply it to the
stored outputs at the end of a task.
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
    address: Pointer,
    residual_offset: Value,
    mask: Value | None = None,
) -> Value:
    """Return the vector to store: the sums plus the residual, after the activation.

    residual_offset: bytes from an output to its residual. mask: the valid lanes, None if all are.
    """
    if epilogue.residual:
        residual = address.add_bytes(residual_offset)
        total = total + (residual.vector() if mask is None else residual.masked(mask))
    if epilogue.activation is None:
        return total
    return ACTIVATIONS[epilogue.activation](code, total)


def emit_epilogue(module: Module, epilogue: Epilogue) -> Function | None:
    """Emit the function that applies an epilogue to stored sums, or return None if it is empty.

    The function processes `runs` runs of `length` sums; run r begins at sums + r · stride.
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
        residual_offset: Value,
    ) -> None:
        vector_stop = length - length % code.lanes
        with code.loop(0, runs) as run:
            run_ptr = sums + run * stride
            with code.loop(0, vector_stop, code.lanes) as e:
                address = run_ptr + e
                # Adding 0 hides from LLVM that max(x, 0) replaces x. It would store zeros under a
                # mask, where x < 0, which takes a dozen cycles on AVX2.
                total = address.vector() + code.zeros()
                address[0] = apply_epilogue(code, epilogue, total, address, residual_offset)
            with code.if_(length > vector_stop):
                address, mask = run_ptr + vector_stop, code.first_lanes(length - vector_stop)
                total = address.masked(mask)
                total = apply_epilogue(code, epilogue, total, address, residual_offset, mask)
                address.store_masked(mask, total)

    return apply_to_runs


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
    """Return eˣ as 2ⁿ · eʳ with n = round(x / log 2) and r = x − n · log 2.

    eʳ is a Taylor polynomial. Because |r| ≤ ½ log 2, its relative truncation error is below 6e-9
    with 7 terms (the unit roundoff of float32 is 6e-8) and below 5e-18 with 13. NaN is propagated;
    overflow returns infinity.
    """
    is_float64 = code.dtype == "float64"
    terms = 13 if is_float64 else 7
    with localcontext(prec=40):
        log_2 = Decimal(2).ln()
        log2_high = float(log_2) if is_float64 else float(np.float32(float(log_2)))
        log2_low = float(log_2 - Decimal(log2_high))
    # Clamped, because beyond these arguments the result overflows or underflows anyway.
    upper, lower = (code.constant(sign * (760 if is_float64 else 105)) for sign in (1, -1))
    x = code.select(x > upper, upper, x)
    x = code.select(x < lower, lower, x)
    n = code.rounded(x * code.constant(1 / float(log_2)))
    r = code.fma(n, code.constant(-log2_low), code.fma(n, code.constant(-log2_high), x))
    series = code.constant(1 / factorial(terms))
    for term in reversed(range(terms)):
        series = code.fma(series, r, code.constant(1 / factorial(term)))
    # Scaled by 2^(n/2) twice, because 2ⁿ may overflow although 2ⁿ · eʳ does not.
    half = code.rounded(n * code.constant(0.5))
    for exponent in (half, n - half):
        series = series * code.power_of_two(exponent)
    return series
