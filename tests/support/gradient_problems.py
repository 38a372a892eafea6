"""Judge gradients by kernels against float64: `python -m support.gradient_problems 0:50000`.

A seed is a random problem. Its weight's and bias's gradients by every kernel that supports it, and
its input's gradient by what "default" chooses, must be within their error bounds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from random import Random

import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.dispatch.compiled_call import in_layout
from glassconv.dispatch.dispatch import compile_problem
from glassconv.dispatch.select import AUTO, chosen
from glassconv.kernels.weight_gradients import KERNELS, GradientKernel
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING
from glassconv.problem.gradients import WeightGradient, input_gradient
from glassconv.problem.im2col_map import unfold
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.verification.verify import judge
from support.random_problems import LARGE, random_problem

SIZES = replace(LARGE, most_macs=20_000, batch=(1, 1, 1, 2, 3))
INPUT = "input's gradient"


def arrays(problem: ConvProblem, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return a random input and output gradient."""
    random, dtype = torch.Generator().manual_seed(seed), getattr(torch, problem.dtype)
    shapes = problem.input_shape, problem.output_shape
    input, grad = (torch.randn(shape, dtype=dtype, generator=random) for shape in shapes)
    return input, grad


class Truth:
    """The gradients of weight and bias in float64, how large their errors may be, and why.

    Errors of the bias's gradient are at most n · u · Σ|g|, of n numbers.
    """

    def __init__(self, problem: ConvProblem, input: Tensor, grad: Tensor) -> None:
        """Compute them."""
        self.problem, self.input, self.grad = problem, input, grad
        self.gradients = exact(problem, input, grad)
        self.scales = exact(problem, input.abs(), grad.abs())

    def is_met(self, kernel: GradientKernel, layout: str) -> bool:
        """Return whether every element that a kernel computes is within its bound."""
        plan = kernel.plan(self.problem, layout)
        found = plan(in_layout(self.input, layout), in_layout(self.grad, layout), True)
        bound = kernel.error_bound(self.problem)
        of_weight, of_bias = self.scales
        if bound.magnitude is not None:
            convolution = WeightGradient(self.problem).convolution
            x, g = (each.double().abs().transpose(0, 1).numpy() for each in (self.input, self.grad))
            magnitude = torch.from_numpy(bound.magnitude(convolution, x, g, None))
            of_weight = magnitude.transpose(0, 1)
        count = self.problem.batch * prod(self.problem.output_size) + 1
        allowed = bound.max_factor * of_weight, count * self.problem.format.unit_roundoff * of_bias
        return all(
            # Twice the bound: float64 rounds, too.
            each is not None and bool(((each - right).abs() <= 2 * most).all())
            for each, right, most in zip(found, self.gradients, allowed, strict=True)
        )


def exact(problem: ConvProblem, input: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of weight and bias in float64: a matrix product with im2col's matrix."""
    groups, pixels = problem.groups, prod(problem.output_size)
    columns = unfold(problem, input.double()).reshape(problem.batch, groups, -1, pixels)
    grads = grad.double().reshape(problem.batch, groups, -1, pixels)
    weight = (grads @ columns.transpose(2, 3)).sum(0)
    return weight.reshape(problem.weight_shape), grads.sum((0, 3)).flatten()


def misses(seed: int) -> Iterator[tuple[str, str | None]]:
    """Yield what computes a gradient of the problem of a seed, and what is wrong with it or None.

    Seeds of even number have channels first, the others channels last. A third have output
    gradients of whole numbers.
    """
    problem, layout = random_problem(Random(seed), SIZES), (NCHW, NHWC)[seed % 2]
    input, grad = arrays(problem, seed)
    if seed % 6 < 2:  # in both layouts
        grad = grad.round()
    supporting = [kernel for kernel in KERNELS.values() if kernel.supports(problem, layout)]
    truth = Truth(problem, input, grad) if supporting else None
    for kernel in supporting:
        assert truth is not None
        is_met = truth.is_met(kernel, layout)
        yield kernel.name, None if is_met else f"{seed}: {problem}, {layout}, {kernel.name}"
    wrong = _wrong_input_gradient(problem, grad, layout, seed)
    yield INPUT, None if wrong is None else f"{seed}: {problem}, {layout}, {wrong}"


def _wrong_input_gradient(problem: ConvProblem, grad: Tensor, layout: str, seed: int) -> str | None:
    """Return what is wrong with the input's gradient in "default", None if nothing is."""
    transpose, weight = input_gradient(problem), random_operands(problem, seed).weight
    given = in_layout(grad, layout)
    shaped = (given.shape, given.stride()), (weight.shape, weight.stride())
    call = compile_problem(transpose, AUTO, "default", NOTHING, *shaped, plain=True)
    name = chosen(transpose, AUTO, "default", layout).name
    found = to_numpy(call(given, weight, None, None))
    bound = named(name).error_bound(transpose)
    verdict = judge(transpose, name, found, Operands(grad, weight, None), bound).verdict
    return None if verdict else f"{name}: {verdict.reason}"


def main(span: str) -> int:
    """Judge the problems of seeds FIRST:STOP; return 1 if some gradient is outside its bound."""
    first, stop = map(int, span.split(":"))
    tried, wrong = dict.fromkeys((*KERNELS, INPUT), 0), 0
    for seed in range(first, stop):
        for name, miss in misses(seed):
            tried[name] += 1
            wrong += miss is not None
            if miss is not None:
                print(miss, flush=True)  # noqa: T201
    print(f"{wrong} outside their bounds of", tried)  # noqa: T201
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
