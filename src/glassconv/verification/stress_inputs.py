"""Stress inputs: operands on which algorithms fail that pass on random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from types import MappingProxyType

import torch
from torch import Tensor

from glassconv.problem.operands import Operands, random_operands
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.verification import Verification
from glassconv.verification.verify import verify_each


def run_stress_inputs(
    problem: Problem, algorithms: Sequence[str], seed: int = 0
) -> Iterator[tuple[str, Verification]]:
    """Yield each kind of `STRESS_INPUTS` with the verification of each algorithm on it.

    >>> from glassconv import parse
    >>> results = run_stress_inputs(parse("3x8x8 2@3x3 p1"), ["im2col", "fft"])
    >>> all(verification.verdict for kind, verification in results)
    True
    """
    for kind, stress_input in STRESS_INPUTS.items():
        for verification in verify_each(problem, algorithms, stress_input.make(problem, seed)):
            yield kind, verification


@dataclass(frozen=True)
class StressInput:
    """One kind of operands that is hard for an algorithm."""

    about: str  # what is hard about them
    make: Callable[[Problem, int], Operands]


def _far_pixel(problem: Problem, seed: int) -> Operands:
    """Return random operands, but the input's last pixel is a million (float16: a thousand)."""
    operands = random_operands(problem, seed)
    flat = operands.input.flatten()
    flat[-1:] = 1e3 if problem.dtype == "float16" else 1e6
    return replace(operands, input=flat.reshape(problem.input_shape))


def _whole(problem: Problem, seed: int) -> Operands:
    """Return −2 … 2: every sum is exact while it stays below 2^p, and the answer is known."""
    return _each(problem, seed, lambda drawn: (drawn * 1.5).round().clamp(-2, 2))


def _cancelling(problem: Problem, seed: int) -> Operands:
    """Return a nearly constant input and filters that sum to nearly zero, and no bias."""
    operands = random_operands(replace(problem, dtype="float64"), seed)
    weight = operands.weight - _filter_means(problem, operands.weight)
    bias = None if operands.bias is None else torch.zeros_like(operands.bias)
    return _rounded(problem, Operands(1 + operands.input * 1e-3, weight, bias))


def _filter_means(problem: Problem, weight: Tensor) -> Tensor:
    """Return the mean weight of every filter, in a shape to be subtracted from the weight."""
    if isinstance(problem, TransposedProblem):  # [in_channels, out_channels / groups, *kernel]
        per_group = weight.reshape(problem.groups, -1, *weight.shape[1:])
        summed = (1, *range(3, per_group.ndim))
        return per_group.mean(summed, keepdim=True).expand_as(per_group).flatten(0, 1)
    return weight.mean(tuple(range(1, weight.ndim)), keepdim=True)


def _denormal(problem: Problem, seed: int) -> Operands:
    """Return an input of numbers below the smallest normal one."""
    operands = random_operands(replace(problem, dtype="float64"), seed)
    bias = None if operands.bias is None else torch.zeros_like(operands.bias)
    subnormal = operands.input * problem.format.smallest_normal / 8
    return _rounded(problem, Operands(subnormal, operands.weight, bias))


def _not_finite(problem: Problem, seed: int) -> Operands:
    """Return random operands with a NaN in the input's first pixel and ∞ in its last."""
    operands = random_operands(problem, seed)
    flat = operands.input.flatten()
    flat[-1:] = torch.inf
    flat[:1] = torch.nan
    return replace(operands, input=flat.reshape(problem.input_shape))


def _near_overflow(problem: Problem, seed: int) -> Operands:
    """Return operands whose sums reach into the last power of two of the element type."""
    most = problem.format.largest / (2 * (problem.products_per_output + 1))
    size = sqrt(most)

    def between(drawn: Tensor) -> Tensor:
        return (1 + torch.sigmoid(drawn)) / 2 * size

    operands = _each(replace(problem, dtype="float64"), seed, between)
    bias = None if operands.bias is None else operands.bias * size
    return _rounded(problem, replace(operands, bias=bias))


def _each(problem: Problem, seed: int, change: Callable[[Tensor], Tensor]) -> Operands:
    """Return standard normal numbers, changed one by one."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
        return change(drawn).to(getattr(torch, problem.dtype))

    bias = draw(problem.out_channels) if problem.bias else None
    return Operands(draw(*problem.input_shape), draw(*problem.weight_shape), bias)


def _rounded(problem: Problem, operands: Operands) -> Operands:
    dtype = getattr(torch, problem.dtype)
    bias = None if operands.bias is None else operands.bias.to(dtype)
    return Operands(operands.input.to(dtype), operands.weight.to(dtype), bias)


STRESS_INPUTS: Mapping[str, StressInput] = MappingProxyType(
    {
        "random": StressInput("normal numbers, outputs of size 1", random_operands),
        "outlier": StressInput("one pixel is 1,000,000 (float16: 1000)", _far_pixel),
        "integers": StressInput("integers from −2 to 2, whose sums are exact", _whole),
        "cancelling": StressInput("products of both signs whose sum is nearly 0", _cancelling),
        "subnormal": StressInput("pixels below the smallest normal number", _denormal),
        "NaN, ∞": StressInput("a NaN in the first pixel, ∞ in the last", _not_finite),
        "near overflow": StressInput("sums half as large as a number can be", _near_overflow),
    }
)
