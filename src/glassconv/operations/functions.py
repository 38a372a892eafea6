"""Functions of one number, on vectors, each with a bound of its error in unit roundoffs.

They are named and behave as PyTorch's; each propagates NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sqrt
from typing import Any

from glassconv.codegen.ir import Code, Value
from glassconv.kernels.microkernel.activations import ACTIVATIONS, exp, exp_of_moderate

MISH_LIMIT = 25.0  # above, tanh(softplus(x)) is 1 in float64


@dataclass(frozen=True)
class Function:
    """A function of one number x, and of constants."""

    write: Callable[..., Value]  # (code, x, *constants)
    error: Callable[..., Any]  # (x, f(x), *constants) → |error| / u at most


def _at_most_argument(x: Any, _: Any) -> Any:
    return 8 * abs(x)


def _at_most_result(_: Any, result: Any, *constants: float) -> Any:
    return 8 * abs(result)


def _at_most_one(*_: Any) -> Any:
    return 8


def _exact(*_: Any) -> Any:
    return 0


def _hardsigmoid(code: Code, x: Value) -> Value:
    """Return min(max(x + 3, 0), 6) / 6."""
    return ACTIVATIONS["relu6"](code, x + code.constant(3)) / code.constant(6)


def _leaky_relu(code: Code, x: Value, slope: float) -> Value:
    return code.select(x < code.zeros(), x * code.constant(slope), x)


def _elu(code: Code, x: Value, alpha: float) -> Value:
    """Return x where it is not negative, α · (eˣ − 1) where it is."""
    below = code.constant(alpha) * (exp(code, x) - code.constant(1))
    return code.select(x < code.zeros(), below, x)


def _tanh(code: Code, x: Value) -> Value:
    """Return 1 − 2 / (e²ˣ + 1)."""
    one = code.constant(1)
    return one - code.constant(2) / (exp_of_moderate(code, x + x) + one)


def _gelu_tanh(code: Code, x: Value) -> Value:
    """Return x · ½ · (1 + tanh z), z = √(2/π) · (x + 0.044715 · x³), which is x / (1 + e⁻²ᶻ)."""
    cubic = code.fma(x * x, code.constant(0.044715), code.constant(1))
    z = x * cubic * code.constant(-2 * sqrt(2 / pi))
    return x / (code.constant(1) + exp_of_moderate(code, z))


def _mish(code: Code, x: Value) -> Value:
    """Return x · tanh(log(1 + eˣ)), which is x · n / (n + 2) with n = eˣ · (eˣ + 2)."""
    two = code.constant(2)
    power = exp(code, _clamp(code, x, float("-inf"), MISH_LIMIT))
    n = power * (power + two)
    return x * (n / (n + two))


def _clamp(code: Code, x: Value, least: float, most: float) -> Value:
    """Return x, or the limit that it is beyond."""
    low, high = code.constant(least), code.constant(most)
    x = code.select(x < low, low, x)
    return code.select(x > high, high, x)


def _sqrt(code: Code, x: Value) -> Value:
    return code.call_external(f"llvm.sqrt.{code.suffix}", code.vector_type, [x])


def _negated(code: Code, x: Value) -> Value:
    return code.constant(-0.0) - x


FUNCTIONS: Mapping[str, Function] = {
    **{name: Function(write, _at_most_argument) for name, write in ACTIVATIONS.items()},
    "sigmoid": Function(ACTIVATIONS["sigmoid"], _at_most_one),
    "hardsigmoid": Function(_hardsigmoid, _at_most_one),
    "leaky_relu": Function(_leaky_relu, _at_most_result),
    "elu": Function(_elu, lambda x, result, alpha: 8 * alpha),
    "tanh": Function(_tanh, _at_most_one),
    "gelu_tanh": Function(_gelu_tanh, _at_most_argument),
    "mish": Function(_mish, _at_most_argument),
    "exp": Function(exp, _at_most_result),
    "sqrt": Function(_sqrt, _at_most_result),
    "abs": Function(Code.absolute, _exact),
    "neg": Function(_negated, _exact),
    "clamp": Function(_clamp, lambda x, result, least, most: abs(result)),
}
