"""Compare "strict" gradients with their definition, bit for bit.

    PYTHONPATH=tests python -m support.strict_gradients 0:50000

A seed is a problem, its operands, and a way to compute its gradients: the memory layout, the number
of threads, the target, and how far the work is divided.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from random import Random
from unittest import mock

import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.algorithms.parts.ordered_gradients import sum_over_pixels, weight_gradient
from glassconv.codegen.target import Target, host
from glassconv.codegen.target import named as target_named
from glassconv.dispatch.compiled_call import in_layout
from glassconv.kernels.weight_gradients import ordered
from glassconv.kernels.weight_gradients.gemm_parts import blocking
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import input_gradient
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from support.random_problems import LARGE, SMALL, random_problem
from support.strict_problems import NUMBERS, THREADS, compare, numbers_of, same_bits, strict

TYPES = ("float32", "float64")
SMALLER = replace(SMALL, dtypes=TYPES, batch=(1, 1, 2, 3))
LARGER = replace(LARGE, most_macs=30_000, batch=(1, 2, 3))


def random_case(seed: int) -> tuple[ConvProblem, Tensor, Tensor, Random]:
    """Return the problem of a seed, its input and output gradient, what the rest is drawn from."""
    random = Random(seed)
    problem = random_problem(random, random.choice((SMALLER, SMALLER, LARGER)))
    numbers = random.choice(NUMBERS)
    generator = torch.Generator().manual_seed(seed)
    input, grad = (
        numbers_of(shape, numbers, problem.dtype, generator)
        for shape in (problem.input_shape, problem.output_shape)
    )
    if numbers == "infinite weights":
        grad.view(-1)[random.randrange(grad.numel())] = float("inf")
    return problem, input, grad, random


def differences(seed: int) -> list[str]:
    """Return the gradients of the problem of a seed that have other bits."""
    problem, input, grad, random = random_case(seed)
    layout = random.choice((NCHW, NHWC)) if problem.ndim == 2 else NCHW
    target, threads = random.choice(targets()), random.choice(THREADS)
    torch.set_num_threads(threads)
    x, g = in_layout(input, layout), in_layout(grad, layout)
    with mock.patch.object(blocking, "MIN_MACS_PER_TASK", random.choice((1, 500_000))):
        plan = ordered.plan(problem, contiguous(problem, layout), target, threads)
        weight, bias = plan(x, g, True)
    assert bias is not None
    of_weight, of_bias = definition(problem, input, grad)
    pairs = {"weight": (weight, of_weight), "bias": (bias, of_bias)}
    if seed % 8 == 0:
        kernel = numbers_of(problem.weight_shape, "normal", problem.dtype, torch.Generator())
        transpose = input_gradient(problem)
        right = named("ordered").run(transpose, grad, kernel, None)
        pairs["input"] = strict(transpose, g, kernel, None), right
    way = f"{layout}, {target.name}, {threads} threads"
    return [
        f"{seed}: {problem}, {name}'s gradient, {way}"
        for name, (found, right) in pairs.items()
        if not same_bits(found, right)
    ]


def definition(problem: ConvProblem, input: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of weight and bias."""
    pixels = sum_over_pixels(problem)
    ones = torch.ones(pixels.input_shape, dtype=grad.dtype)
    bias = weight_gradient(pixels, ones, grad.flatten(2)).flatten()
    return weight_gradient(problem, input, grad), bias


def targets() -> list[Target]:
    """Return the processors whose code runs here."""
    here = host()
    assert here is not None, "kernels run here"
    return [here, target_named("avx2")] if here.name == "avx512" else [here]


if __name__ == "__main__":
    raise SystemExit(compare(differences, sys.argv[1]))
