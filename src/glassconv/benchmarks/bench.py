"""How fast an algorithm is, as a ratio to another: verified first, then timed in turn.

Machines are shared and noisy, so nothing is timed alone: A B A B, at least twenty times each in one
process, and the ratio of the two medians is the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.algorithms.aten import CONVOLUTIONS
from glassconv.benchmarks.suites import Layer
from glassconv.codegen.pages import keep_memory
from glassconv.dispatch.select import AUTO, choose, kernel_for
from glassconv.errors import UnknownNameError
from glassconv.functional import conv1d, conv2d, conv3d
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import contiguous, layout_of
from glassconv.problem.operands import Operands
from glassconv.reports.benchmark import Benched, Roof
from glassconv.verification.stress_inputs import ADVERSARIES
from glassconv.verification.verify import verify

REPEATS = 20
LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
OURS = (conv1d, conv2d, conv3d)
SHORTEST = 2e-3  # seconds: a sample repeats its call until it lasts as long


def bench(
    layers: Iterable[Layer],
    algorithm: str = AUTO,
    *,
    layout: str = "nchw",
    repeats: int = REPEATS,
    roof: Roof | None = None,
) -> Iterator[Benched]:
    """Yield for each layer how many times as fast as PyTorch's an algorithm is, or why it is not.

    A layer that the algorithm does not support, or gets wrong, has no time. A kernel that several
    layers share is compiled for the first of them. roof: what this machine was just measured to
    reach, for each layer's share of it.

    Raises `UnknownNameError` for a layout or an algorithm there is not.
    """
    if layout not in LAYOUTS:
        raise UnknownNameError(f"layout is one of {', '.join(LAYOUTS)}, not {layout!r}")
    if algorithm != AUTO:
        named(algorithm)
    compiled: set[int] = set()
    for layer in layers:
        row = _bench(layer, algorithm, layout, repeats)
        plan = _plan(row, layout) if row.verdict else None
        if plan is not None:
            shared = plan.kernel.address in compiled
            compiled.add(plan.kernel.address)
            row = replace(
                row,
                compile_seconds=0.0 if shared else plan.kernel.seconds,
                packing_seconds=_packing_seconds(plan),
            )
        if roof is not None:
            row = replace(row, attainable=roof.over(layer.problem))
        yield row


def _plan(row: Benched, layout: str) -> Plan | None:
    """Return the plan of the kernel that a layer took, None where it took none."""
    kernel = kernel_for(row.algorithm, row.problem, layout)
    if kernel is None:
        return None
    picture = torch.empty(row.problem.input_shape, device="meta")
    return kernel.plan(row.problem, layout_of(_lying(picture, layout)) or contiguous(row.problem))


def _packing_seconds(plan: Plan) -> float:
    if plan.pack is None:
        return 0.0
    weight = torch.zeros(plan.problem.weight_shape, dtype=getattr(torch, plan.problem.dtype))
    start = perf_counter()
    plan.pack(weight)
    return perf_counter() - start


def _bench(layer: Layer, algorithm: str, layout: str, repeats: int) -> Benched:
    problem = layer.problem
    candidates = choose(problem, accuracy="any", layout=layout).candidates
    if algorithm != AUTO:
        verdict = next(each.verdict for each in candidates if each.name == algorithm)
        if not verdict:
            return Benched(problem, layer.count, algorithm, verdict, None, None)
    accuracy = "default" if algorithm == AUTO else "any"
    chosen = choose(problem, algorithm, accuracy, layout).algorithm
    operands = _laid_out(ADVERSARIES["random"].make(problem, 0), layout)
    verdict = verify(problem, chosen, operands).verdict
    if not verdict:
        return Benched(problem, layer.count, chosen, verdict, None, None)
    ours, theirs = in_turn(
        _ours(problem, algorithm, operands), _pytorchs(problem, operands), repeats
    )
    return Benched(problem, layer.count, chosen, verdict, ours, theirs)


@contextmanager
def using_threads(threads: int | None) -> Iterator[int]:
    """Let PyTorch use so many threads for a while, or as many as it does; yield how many."""
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


def _laid_out(operands: Operands, layout: str) -> Operands:
    return Operands(_lying(operands.input, layout), operands.weight, operands.bias)


def _lying(picture: Tensor, layout: str) -> Tensor:
    """Return a picture of two axes in a layout; others lie as they do."""
    return picture.contiguous(memory_format=LAYOUTS[layout]) if picture.ndim == 4 else picture


def _ours(problem: ConvProblem, algorithm: str, operands: Operands) -> Callable[[], Tensor]:
    """Return a call of the public function, as a user would write it."""
    accuracy = "default" if algorithm == AUTO else "any"
    convolve, padding = OURS[problem.ndim - 1], _padding(problem)

    def call() -> Tensor:
        return convolve(
            operands.input,
            operands.weight,
            operands.bias,
            problem.stride,
            problem.padding if padding is None else padding,
            problem.dilation,
            problem.groups,
            algorithm=algorithm,
            accuracy=accuracy,
        )

    return call


def _pytorchs(problem: ConvProblem, operands: Operands) -> Callable[[], Tensor]:
    """Return a call of PyTorch's function; it pads first where padding is more on one side."""
    padding = _padding(problem)
    if padding is None:
        return lambda: named("aten").run(problem, operands.input, operands.weight, operands.bias)
    convolve = CONVOLUTIONS[problem.ndim - 1]

    def call() -> Tensor:
        return convolve(
            operands.input,
            operands.weight,
            operands.bias,
            problem.stride,
            padding,
            problem.dilation,
            problem.groups,
        )

    return call


def _padding(problem: ConvProblem) -> tuple[int, ...] | None:
    """Return the padding of each axis, None where one has more on one side."""
    if not problem.even_padding:
        return None
    return tuple(before for before, _ in problem.padding)
