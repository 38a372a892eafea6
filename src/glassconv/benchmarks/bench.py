"""How fast an algorithm is, as a ratio to another: verified first, then timed in turn.

Machines are shared and noisy, so nothing is timed alone: A B A B, at least twenty times each in one
process, and the ratio of the two medians is the result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.algorithms.aten import CONVOLUTIONS, TRANSPOSED_CONVOLUTIONS
from glassconv.benchmarks.suites import Layer
from glassconv.codegen.idle_threads import wait_for_threads
from glassconv.codegen.pages import keep_memory
from glassconv.dispatch.select import AUTO, choose, kernel_for
from glassconv.errors import ArgumentError, unknown_name
from glassconv.functional import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from glassconv.kernels import Kernel
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem.memory_layout import NCHW, contiguous
from glassconv.problem.operands import Operands, random_operands
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.benchmark import LayerBenchmark, Roofline
from glassconv.verification.verify import verify

REPEATS = 20
THREADS_PER_PROCESSOR = 8  # more only wait for each other
LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
OURS: tuple[Callable[..., Tensor], ...] = (conv1d, conv2d, conv3d)
OURS_TRANSPOSED: tuple[Callable[..., Tensor], ...] = (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
SHORTEST = 2e-3  # seconds: a sample repeats its call until it lasts as long


def bench(
    layers: Iterable[Layer],
    algorithm: str = AUTO,
    *,
    layout: str = "nchw",
    repeats: int = REPEATS,
    roofline: Roofline | None = None,
) -> Iterator[LayerBenchmark]:
    """Yield for each layer how many times as fast as PyTorch's an algorithm is, or why it is not.

    A layer that the algorithm does not support, or gets wrong, has no time. A kernel that several
    layers share is compiled for the first of them. roofline: what this machine was just measured to
    reach, for each layer's share of it.

    Raises `UnknownNameError` for a layout or an algorithm there is not.
    """
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    if algorithm != AUTO:
        named(algorithm)
    compiled: set[int] = set()
    for layer in layers:
        row = _bench(layer, algorithm, layout, repeats)
        kernel = kernel_for(row.algorithm, row.problem, layout) if row.verdict else None
        if kernel is not None:
            plan = plan_for(row.problem, kernel, layout)
            shared = plan.kernel.address in compiled
            compiled.add(plan.kernel.address)
            row = replace(
                row,
                compile_seconds=0.0 if shared else plan.kernel.seconds,
                packing_seconds=_packing_seconds(plan),
            )
        if roofline is not None:
            row = replace(row, attainable=roofline.over(layer.problem))
        yield row


def plan_for(problem: Problem, kernel: Kernel, layout: str) -> Plan:
    """Return the plan of a kernel for inputs in a memory layout; of one or three axes, NCHW."""
    computed = problem if kernel.transposed else equal_convolution(problem)
    name = layout if problem.ndim == 2 else NCHW
    return kernel.plan(computed, contiguous(computed, name))


def _packing_seconds(plan: Plan) -> float:
    if plan.pack is None:
        return 0.0
    weight = torch.zeros(plan.problem.weight_shape, dtype=getattr(torch, plan.problem.dtype))
    start = perf_counter()
    plan.pack(weight)
    return perf_counter() - start


def _bench(layer: Layer, algorithm: str, layout: str, repeats: int) -> LayerBenchmark:
    problem = layer.problem
    candidates = choose(problem, accuracy="any", layout=layout).candidates
    if algorithm != AUTO:
        verdict = next(each.verdict for each in candidates if each.name == algorithm)
        if not verdict:
            return LayerBenchmark(problem, layer.count, algorithm, verdict, None, None)
    accuracy = "default" if algorithm == AUTO else "any"
    chosen = choose(problem, algorithm, accuracy, layout).algorithm
    operands = _in_layout(random_operands(problem), layout)
    verdict = verify(problem, chosen, operands).verdict
    if not verdict:
        return LayerBenchmark(problem, layer.count, chosen, verdict, None, None)
    ours, theirs = in_turn(
        _ours(problem, algorithm, operands), _pytorchs(problem, operands), repeats
    )
    return LayerBenchmark(problem, layer.count, chosen, verdict, ours, theirs)


@contextmanager
def using_threads(threads: int | None) -> Iterator[int]:
    """Let PyTorch use so many threads for a while, or as many as it does; yield how many.

    Raises `ArgumentError` for more than `THREADS_PER_PROCESSOR` for each processor.
    """
    processors = os.cpu_count() or 1
    most = THREADS_PER_PROCESSOR * processors
    if threads is not None and threads > most:
        raise ArgumentError(
            f"threads must be at most {most} here, {THREADS_PER_PROCESSOR} for each processor, "
            f"got {threads}"
        )
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def in_turn(
    first: Callable[[], object], second: Callable[[], object], repeats: int = REPEATS
) -> tuple[float, float]:
    """Return the median seconds of a call of each, timed A B A B, neither on fresh memory.

    >>> fast, slow = in_turn(lambda: None, lambda: sum(range(100_000)))
    >>> fast < slow
    True
    """
    keep_memory()
    wait_for_threads()
    pair = (first, second)
    calls = [_calls(each) for each in pair]
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for each, number, kept in zip(pair, calls, samples, strict=True):
            start = perf_counter()
            for _ in range(number):
                each()
            kept.append((perf_counter() - start) / number)
    return median(samples[0]), median(samples[1])


def _calls(call: Callable[[], object]) -> int:
    """Return how many calls make a sample, after some to warm up."""
    call()
    start = perf_counter()
    call()
    return max(1, round(SHORTEST / max(perf_counter() - start, 1e-7)))


def _in_layout(operands: Operands, layout: str) -> Operands:
    """Return the operands with an input of two spatial axes in this memory layout."""
    input = operands.input
    if input.ndim == 4:
        input = input.contiguous(memory_format=LAYOUTS[layout])
    return Operands(input, operands.weight, operands.bias)


def _ours(problem: Problem, algorithm: str, operands: Operands) -> Callable[[], Tensor]:
    """Return a call of the public function, as a user would write it."""
    accuracy = "default" if algorithm == AUTO else "any"
    transposed = isinstance(problem, TransposedProblem)
    convolve = (OURS_TRANSPOSED if transposed else OURS)[problem.ndim - 1]
    arguments = _arguments(problem)
    input, weight, bias = operands.input, operands.weight, operands.bias
    return lambda: convolve(input, weight, bias, *arguments, algorithm=algorithm, accuracy=accuracy)


def _pytorchs(problem: Problem, operands: Operands) -> Callable[[], Tensor]:
    """Return a call of PyTorch's function; it copies where padding is uneven."""
    input, weight, bias = operands.input, operands.weight, operands.bias
    if not problem.even_padding:
        return lambda: named("aten").run(problem, input, weight, bias)
    transposed = isinstance(problem, TransposedProblem)
    convolve = (TRANSPOSED_CONVOLUTIONS if transposed else CONVOLUTIONS)[problem.ndim - 1]
    arguments = _arguments(problem)
    return lambda: convolve(input, weight, bias, *arguments)


def _arguments(problem: Problem) -> tuple[Any, ...]:
    """Return stride and all that follows it in PyTorch's order; uneven padding as pairs."""
    padding: Any = problem.padding
    if problem.even_padding:
        padding = tuple(before for before, _ in problem.padding)
    if isinstance(problem, TransposedProblem):
        extra, dilation = problem.output_padding, problem.dilation
        return (problem.stride, padding, extra, problem.groups, dilation)
    return (problem.stride, padding, problem.dilation, problem.groups)
