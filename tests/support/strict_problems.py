"""Compare "strict" with its definition, bit for bit: `python -m support.strict_problems 0:50000`.

A seed is a problem, its operands and a few ways to compute its outputs: layouts, numbers of
threads, one image of the batch, and a part of the outputs from a part of the input.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.dispatch.compiled_call import in_layout
from glassconv.dispatch.dispatch import compile_problem
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING
from glassconv.problem.memory_layout import NHWC
from glassconv.problem.operands import Operands
from glassconv.problem.problem import Problem
from support.random_problems import LARGE, SMALL, random_problem, random_transposed_problem

THREADS = (1, 2, 3, 4)
BLOCKS = replace(LARGE, channels=(40, 100, 300), most_macs=None, spare=((0, 3, 9),) * 2)
NUMBERS = ("normal", "normal", "normal", "wide", "special", "infinite weights")


def random_case(seed: int) -> tuple[Problem, Operands, Random]:
    """Return the problem of a seed, its operands, and what the rest is drawn from."""
    random = Random(seed)
    kind = random.random()
    if kind < 0.8:
        problem: Problem = random_problem(random, SMALL)
    elif kind < 0.9:
        problem = random_transposed_problem(random, SMALL)
    elif kind < 0.98:
        problem = random_problem(random, LARGE)
    else:
        problem = replace(random_problem(random, BLOCKS), batch=1, out_channels=1, groups=1)
    numbers = random.choice(NUMBERS)
    generator = torch.Generator().manual_seed(seed)
    shapes = (problem.input_shape, problem.weight_shape, (problem.out_channels,))
    arrays = [numbers_of(shape, numbers, problem.dtype, generator) for shape in shapes]
    if numbers == "infinite weights" and arrays[1].numel():
        arrays[1].view(-1)[random.randrange(arrays[1].numel())] = float("inf")
    return problem, Operands(arrays[0], arrays[1], arrays[2] if problem.bias else None), random


def numbers_of(
    shape: tuple[int, ...], numbers: str, dtype: str, generator: torch.Generator
) -> Tensor:
    array = torch.randn(shape, generator=generator, dtype=torch.float64)
    if numbers == "wide":  # products that overflow, underflow and vanish
        array *= 2.0 ** torch.randint(-90, 80, shape, generator=generator)
    elif numbers == "special" and array.numel():
        special = torch.tensor([0.0, -0.0, 1e-45, -1e-40, float("nan"), -float("inf"), 3e38])
        places = torch.randint(0, array.numel(), (array.numel() // 6 + 1,), generator=generator)
        kinds = torch.randint(0, len(special), places.shape, generator=generator)
        array.view(-1)[places] = special[kinds].double()
    return array.to(getattr(torch, dtype))


def differences(seed: int) -> list[str]:
    """Return the ways to compute the problem of a seed whose outputs have other bits."""
    problem, given, random = random_case(seed)
    expected = named("ordered").run(problem, given.input, given.weight, given.bias)
    found = []
    for name, part, input, wanted in ways(problem, given.input, expected, random):
        torch.set_num_threads(random.choice(THREADS))
        output = strict(part, input, given.weight, given.bias)
        if not same_bits(output, wanted):
            found.append(f"{seed}: {problem}, {name}, {torch.get_num_threads()} threads")
    return found


def ways(
    problem: Problem, input: Tensor, expected: Tensor, random: Random
) -> Iterator[tuple[str, Problem, Tensor, Tensor]]:
    """Yield a name, a problem, its input, and the output that it must have."""
    yield "whole", problem, input, expected
    if problem.ndim == 2:
        yield "channels last", problem, in_layout(input, NHWC), expected
    if not isinstance(problem, ConvProblem) or not problem.batch:
        return
    image = random.randrange(problem.batch)
    part, tile, place = random_tile(replace(problem, batch=1), random)
    cropped = input[(slice(image, image + 1), slice(None), *tile)]
    wanted = expected[(slice(image, image + 1), slice(None), *place)]
    yield "a tile of an image", part, cropped, wanted
    if problem.ndim == 2:
        yield "a tile, channels last", part, in_layout(cropped, NHWC), wanted


def random_tile(
    problem: ConvProblem, random: Random
) -> tuple[ConvProblem, tuple[slice, ...], tuple[slice, ...]]:
    """Return the problem of some of the outputs, what it reads of the input, and which they are."""
    sizes, pads, reads, outputs = [], [], [], []
    for axis in problem.axes:
        first = random.randrange(axis.output_size)
        last = random.randrange(first, axis.output_size)
        start = first * axis.stride - axis.padding[0]
        stop = last * axis.stride - axis.padding[0] + axis.extent
        low = min(max(start, 0), axis.input_size - 1)
        high = max(min(stop, axis.input_size), low + 1)
        reads.append(slice(low, high))
        sizes.append(high - low)
        pads.append((low - start, stop - high))
        outputs.append(slice(first, last + 1))
    if min(min(pair) for pair in pads) < 0:  # windows in the padding only
        return problem, tuple(slice(None) for _ in reads), tuple(slice(None) for _ in reads)
    part = replace(problem, input_size=tuple(sizes), padding=tuple(pads))
    return part, tuple(reads), tuple(outputs)


def strict(problem: Problem, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return what a call with accuracy="strict" returns."""
    shaped = (input.shape, input.stride()), (weight.shape, weight.stride())
    call = compile_problem(problem, "auto", "strict", NOTHING, *shaped, plain=True)
    return call(input, weight, bias, None)


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Return whether two arrays are equal bit for bit; one NaN is as good as another."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    words = torch.int64 if left.dtype == torch.float64 else torch.int32
    if left.element_size() == 2:
        words = torch.int16
    pairs = [each.contiguous().view(words) for each in (left, right)]
    return bool(((pairs[0] == pairs[1]) | (left.isnan() & right.isnan())).all())


def compare(differences: Callable[[int], list[str]], span: str) -> int:
    """Print the differences of the problems of seeds FIRST:STOP; return 1 if there are any."""
    first, stop = map(int, span.split(":"))
    counted: Counter[str] = Counter()
    for seed in range(first, stop):
        found = differences(seed)
        counted["problems with other bits" if found else "problems with the same bits"] += 1
        for line in found:
            print(line, flush=True)  # noqa: T201
    print(dict(counted))  # noqa: T201
    return int(counted["problems with other bits"] > 0)


if __name__ == "__main__":
    raise SystemExit(compare(differences, sys.argv[1]))
