"""Which gradients of a call kernels compute: those that are predicted to be faster than PyTorch's.

PyTorch's own gradients are predicted to take as long as its forward call: each has as many
multiply-adds, and oneDNN has a kernel of the same kind for each. Measured, they take as long or
longer (docs/gradients.md). That of the input may take as long as a transposed convolution.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from glassconv.algorithms.parts import pytorch_cost
from glassconv.dispatch import machine_store
from glassconv.dispatch.select import AUTO, chosen
from glassconv.errors import ConvError
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import HALF_PRECISION
from glassconv.problem.gradients import convolution_of, transpose_of
from glassconv.problem.problem import Problem

RECORDING = 8  # dispatches that autograd takes for a function written in Python, both ways


class GradientChoice(NamedTuple):
    """What kernels compute of a recorded call; PyTorch computes the rest."""

    output: bool
    of_input: bool
    of_weight: bool


PYTORCH = GradientChoice(output=False, of_input=False, of_weight=False)


def choose_gradients(
    problem: Problem, accuracy: str, layout: str, *, of_input: bool, of_weight: bool
) -> GradientChoice:
    """Return what kernels compute, `PYTORCH` where PyTorch computes all of it faster.

    of_input, of_weight: whether that gradient is asked for.
    """
    return _choose(problem, accuracy, layout, of_input, of_weight, torch.get_num_threads())


def forget() -> None:
    """Clear the cache of `choose_gradients`."""
    _choose.cache_clear()


@lru_cache(maxsize=1024)
def _choose(
    problem: Problem, accuracy: str, layout: str, of_input: bool, of_weight: bool, threads: int
) -> GradientChoice:
    if problem.ndim == 3 or problem.dtype in HALF_PRECISION:
        return PYTORCH
    try:
        machine, transpose = machine_store.machine(), transpose_of(problem)
        theirs = pytorch_cost.seconds(problem, layout, machine)
        of_transpose = max(theirs, pytorch_cost.seconds(transpose, layout, machine))
        saved = [
            _saved(problem, accuracy, layout, theirs),
            _saved(transpose, accuracy, layout, of_transpose) if of_input else 0.0,
            _saved_of_weight(convolution_of(problem), layout, theirs) if of_weight else 0.0,
        ]
    except ConvError:  # no kernel runs on this processor, or the transpose is no problem of ours
        return PYTORCH
    if sum(saved) <= RECORDING * machine.dispatch:
        return PYTORCH
    return GradientChoice(*(seconds > 0 for seconds in saved))


def _saved(problem: Problem, accuracy: str, layout: str, theirs: float) -> float:
    """Return the seconds that the fastest kernel saves of PyTorch's, 0 where it saves none."""
    fastest = chosen(problem, AUTO, accuracy, layout)
    if not fastest.kernel or fastest.compiled_seconds is None:
        return 0.0
    return max(theirs - fastest.compiled_seconds, 0.0)


def _saved_of_weight(problem: ConvProblem, layout: str, theirs: float) -> float:
    """Return the seconds that the kernel of the weight's gradient saves, 0 where it saves none."""
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.weight_gradients import fastest, supporting

    if not supporting(problem, layout):
        return 0.0
    machine = machine_store.machine()
    return max(theirs - fastest(problem, layout, machine).seconds(problem, layout, machine), 0.0)
