"""Hold an output and its gradients to sums in float64, each number within its bound.

A sum of n products in a type of unit roundoff u, in any order, is off by n · u · Σ|x||w| at most
(docs/error-bounds.md). A complex product is made of three or four real ones. With Gauss's three,

    a = Σ x_r·w_r    b = Σ x_i·w_i    c = Σ (x_r + x_i)·(w_r + w_i)    y = (a − b) + i·(c − a − b)

a and b together are off by n·u·S, S = Σ|x||w|, since |x_r·w_r| + |x_i·w_i| ≤ |x||w|. The factors of
c are rounded, and |x_r| + |x_i| ≤ √2·|x|: it is off by 2·(n + 2)·u·S. The last subtractions round
numbers of size 3·S. Real part: (n + 1)·u·S. Imaginary part: (3·n + 8)·u·S. Both: less than
4·(n + 4)·u·S.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.dispatch.select import AUTO, choose
from glassconv.problem.arguments import problem_of
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.memory_layout import contiguous, layout_of
from glassconv.problem.operands import Operands
from glassconv.problem.problem import equal_convolution
from glassconv.verification.verify import judge as judge_output
from support import differential_truth as truth
from support.differential_truth import Array, Sum, to_array

if TYPE_CHECKING:
    from support.differential import Outcome
    from support.differential_calls import Call

REAL = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}


def judge(call: Call, outcome: Outcome) -> dict[str, str]:
    """Return which arrays are wrong, and how."""
    if any(array.device.type == "meta" for array in outcome.arrays.values()):
        return {}
    if call.kind.startswith("conv") and 0 in call.operands["weight"].shape[:2]:
        return {}  # `torch_faults`: what has no channels is what PyTorch says
    with np.errstate(all="ignore"):
        right = expected(call, outcome)
        found = {}
        for name, array in outcome.arrays.items():
            text = _wrong(call, array, right[name])
            if text and not (name == "output" and _within_own_bound(call, outcome)):
                found[name] = text
        return found


def expected(call: Call, outcome: Outcome) -> dict[str, Sum]:
    """Return the output, and the gradients that were computed."""
    from support.differential import output_gradient

    geometry = call.geometry
    assert geometry is not None
    arrays = {name: to_array(each) for name, each in outcome.operands.items()}
    unbatched = arrays["input"].ndim == (call.ndim + 1 if call.function != "fold" else 2)
    x = arrays["input"][None] if unbatched else arrays["input"]
    w, g = arrays.get("weight"), None
    if len(outcome.arrays) > 1:
        g = to_array(output_gradient(call, outcome.arrays["output"]).make())
        g = g[None] if unbatched else g
    found: dict[str, Sum] = {}
    if call.kind in ("unfold", "fold"):
        found = _columns(call, x, g)
    else:
        assert w is not None
        transposed = call.kind == "conv_transpose"
        forward, backward = (
            (truth.to_spread, truth.to_dense) if transposed else (truth.to_dense, truth.to_spread)
        )
        output = forward(geometry, x, w)
        found["output"] = output.plus(arrays["bias"]) if "bias" in arrays else output
        if g is not None:
            found["input gradient"] = backward(geometry, g, w.conj())
            dense, spread = (x.conj(), g) if transposed else (g, x.conj())
            found["weight gradient"] = truth.to_weight(geometry, dense, spread)
            found["bias gradient"] = truth.to_bias(g)
    if unbatched:
        for name in {"output", "input gradient"} & {*found}:
            each = found[name]
            found[name] = Sum(each.value[0], each.magnitude[0], each.terms)
    return found


def _columns(call: Call, x: Array, g: Array | None) -> dict[str, Sum]:
    """Return unfold's or fold's output and gradient."""
    geometry = call.geometry
    assert geometry is not None
    taps = int(np.prod(geometry.kernel))

    def unfold(spread: Array) -> Sum:
        windows = truth.gather(geometry, spread)
        n, c, positions, _ = windows.shape
        value = windows.transpose(0, 1, 3, 2).reshape(n, c * taps, positions)
        return Sum(value, truth.absolute(value), 1)

    def fold(columns: Array) -> Sum:
        n, rows, positions = columns.shape
        each = columns.reshape(n, rows // taps, taps, positions).transpose(0, 1, 3, 2)
        value = truth.scatter(geometry, each)
        return Sum(value, truth.scatter(geometry, truth.absolute(each)), taps)

    forward, backward = (unfold, fold) if call.kind == "unfold" else (fold, unfold)
    found = {"output": forward(x)}
    if g is not None:
        found["input gradient"] = backward(g)
    return found


def _wrong(call: Call, array: Tensor, right: Sum) -> str:
    """Return how an array differs from what it should be, empty where each number is near."""
    if tuple(array.shape) != right.value.shape:
        return f"shape {list(array.shape)}, not {list(right.value.shape)}"
    if not array.numel():
        return ""
    own, value = to_array(array), right.value
    if not (array.dtype.is_floating_point or array.dtype.is_complex):
        wrapped = to_array(torch.from_numpy(np.ascontiguousarray(value)).to(array.dtype))
        return _worst(own, wrapped, np.zeros(own.shape))
    name = str(array.dtype).removeprefix("torch.")
    format = FORMATS[REAL.get(name, name)]
    n = right.terms + 1
    factor = 4 * (n + 4) if name in REAL else n
    allowed = (factor * format.unit_roundoff + n * 2.0**-52) * right.magnitude
    allowed = allowed + 4 * n * max(format.tiny, 2 * FORMATS["float32"].smallest_normal)
    whole = all(operand.numbers == "whole" for operand in call.operands.values())
    largest = np.max(right.magnitude, initial=0.0)
    if whole and 4 * largest * format.unit_roundoff < 1:
        allowed = np.zeros_like(right.magnitude)
    return _worst(own, value, allowed)


def _worst(own: Array, value: Array, allowed: Array) -> str:
    """Return the number that is farthest over its bound."""
    finite = np.isfinite(value)
    error = np.where(own == value, 0.0, np.abs(own - value))
    error = np.where(finite | (own == value), error, np.inf)
    error = np.where(~finite & np.isnan(value) & np.isnan(own), 0.0, error)
    error = np.where(finite & ~np.isfinite(own), np.inf, error)
    over = error > np.where(finite, allowed, 0.0)
    if not over.any():
        return ""
    place = np.unravel_index(np.argmax(np.where(over, error, -1.0)), own.shape)
    at = [int(each) for each in place]
    return (
        f"{own[place]} at {at}, right {value[place]}, bound {allowed[place]:.3g}; "
        f"{int(over.sum())} of {own.size} are over their bounds"
    )


def _within_own_bound(call: Call, outcome: Outcome) -> bool:
    """Return whether an output is within the bound of the algorithm that `auto` took."""
    x, w = outcome.operands["input"].detach(), outcome.operands["weight"].detach()
    if call.kind != "conv" or x.dtype not in (torch.float32, torch.float64):
        return False
    b = outcome.operands["bias"].detach() if "bias" in outcome.operands else None
    x = x if x.ndim == call.ndim + 2 else x[None]
    arguments = {name: _plain(value) for name, value in call.arguments.items()}
    dtype = str(x.dtype).removeprefix("torch.")
    shape = None if b is None else tuple(b.shape)
    problem = problem_of(tuple(x.shape), tuple(w.shape), shape, **arguments, dtype=dtype)
    layout = (layout_of(x) or contiguous(equal_convolution(problem))).name
    bound = named(choose(problem, AUTO, "default", layout).algorithm).error_bound(problem)
    if bound.magnitude is None:
        return False
    output = outcome.arrays["output"].detach().reshape(problem.output_shape).numpy()
    return bool(judge_output(problem, AUTO, output, Operands(x, w, b), bound).verdict)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor | np.generic) else value
