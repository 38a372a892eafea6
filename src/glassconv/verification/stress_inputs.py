"""Operands that are hard on an algorithm: they break what random numbers never break."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from types import MappingProxyType

import torch
from torch import Tensor

from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, random_operands
from glassconv.reports.verification import Verification
from glassconv.verification.verify import verify_each


def trials(
    problem: ConvProblem, algorithms: Sequence[str], seed: int = 0
) -> Iterator[tuple[str, Verification]]:
    """Yield, kind by kind of `ADVERSARIES`, how each of these algorithms stands by the definition.

    >>> from glassconv import parse
    >>> all(found.verdict for _, found in trials(parse("3x8x8 2@3x3 p1"), ["im2col", "fft"]))
    True
    """
    for kind, adversary in ADVERSARIES.items():
        for verification in verify_each(problem, algorithms, adversary.make(problem, seed)):
            yield kind, verification


@dataclass(frozen=True)
class Adversary:
    """One kind of hard operands."""

    about: str  # what is hard about them
    make: Callable[[ConvProblem, int], Operands]


def _far_pixel(problem: ConvProblem, seed: int) -> Operands:
    """Return random operands, but the input's last pixel is a million (float16: a thousand)."""
    operands = random_operands(problem, seed)
    flat = operands.input.flatten()
    flat[-1:] = 1e3 if problem.dtype == "float16" else 1e6
    return replace(operands, input=flat.reshape(problem.input_shape))


def _whole(problem: ConvProblem, seed: int) -> Operands:
    """Return −2 … 2: every sum is exact while it stays below 2^p, and the answer is known."""
    return _each(problem, seed, lambda drawn: (drawn * 1.5).round().clamp(-2, 2))


def _cancelling(problem: ConvProblem, seed: int) -> Operands:
    """Return a nearly constant picture and filters that sum to nearly zero, and no bias."""
    operands = random_operands(replace(problem, dtype="float64"), seed)
    per_filter = operands.weight.flatten(1)
    weight = (per_filter - per_filter.mean(1, keepdim=True)).reshape(problem.weight_shape)
    bias = None if operands.bias is None else torch.zeros_like(operands.bias)
    return _rounded(problem, Operands(1 + operands.input * 1e-3, weight, bias))


def _denormal(problem: ConvProblem, seed: int) -> Operands:
    """Return a picture of numbers below the smallest normal one."""
    smallest_normal = problem.format.tiny / (2 * problem.format.unit_roundoff)
    operands = random_operands(replace(problem, dtype="float64"), seed)
    bias = None if operands.bias is None else torch.zeros_like(operands.bias)
    picture = operands.input * smallest_normal / 8
    return _rounded(problem, Operands(picture, operands.weight, bias))


def _not_finite(problem: ConvProblem, seed: int) -> Operands:
    """Return random operands with a NaN in the picture's first pixel and ∞ in its last."""
    operands = random_operands(problem, seed)
    flat = operands.input.flatten()
    flat[-1:] = torch.inf
    flat[:1] = torch.nan
    return replace(operands, input=flat.reshape(problem.input_shape))


def _near_overflow(problem: ConvProblem, seed: int) -> Operands:
    """Return operands whose sums reach into the last power of two that the element type has."""
    most = problem.format.largest / (2 * (problem.taps_per_output + 1))
    size = sqrt(most)

    def between(drawn: Tensor) -> Tensor:
        return (1 + torch.sigmoid(drawn)) / 2 * size

    operands = _each(replace(problem, dtype="float64"), seed, between)
    bias = None if operands.bias is None else operands.bias * size
    return _rounded(problem, replace(operands, bias=bias))


def _each(problem: ConvProblem, seed: int, change: Callable[[Tensor], Tensor]) -> Operands:
    """Return standard normal numbers, changed one by one."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
        return change(drawn).to(getattr(torch, problem.dtype))

    bias = draw(problem.out_channels) if problem.bias else None
    return Operands(draw(*problem.input_shape), draw(*problem.weight_shape), bias)


def _rounded(problem: ConvProblem, operands: Operands) -> Operands:
    dtype = getattr(torch, problem.dtype)
    bias = None if operands.bias is None else operands.bias.to(dtype)
    return Operands(operands.input.to(dtype), operands.weight.to(dtype), bias)


ADVERSARIES: Mapping[str, Adversary] = MappingProxyType(
    {
        "random": Adversary("normal numbers, outputs of size 1", random_operands),
        "far pixel": Adversary("one pixel of a million far away (float16: 1000)", _far_pixel),
        "whole": Adversary("whole numbers −2 … 2, whose sums are exact", _whole),
        "cancel": Adversary("terms of both signs that nearly cancel", _cancelling),
        "denormal": Adversary("pixels below the smallest normal number", _denormal),
        "NaN, ∞": Adversary("a NaN in the first pixel, ∞ in the last", _not_finite),
        "huge": Adversary("sums within a factor two of overflow", _near_overflow),
    }
)
