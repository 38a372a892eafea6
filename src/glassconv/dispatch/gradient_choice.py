"""What kernels compute of a recorded call, and what PyTorch: what is predicted to be the fastest.

The output and the gradients are chosen together, since what PyTorch computes of a call that is
recorded by us costs more than in a call of its own.

PyTorch's own gradients are predicted to take as many times as long as its forward call as those of
a small layer of the same kind (`algorithms/parts/pytorch_gradient_cost.py`).

A weight whose gradient is asked for changes after each step, so a kernel's prediction includes its
packing.

Calls of 16 bits are PyTorch's, or calls of float32 whose results are rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import inf
from typing import NamedTuple

import torch

from glassconv.algorithms import named
from glassconv.algorithms.parts import pytorch_cost, pytorch_gradient_cost
from glassconv.dispatch import machine_store
from glassconv.dispatch.select import AUTO, STRICT, chosen, kernel_named
from glassconv.errors import ConvError
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import HALF_PRECISION
from glassconv.problem.gradients import convolution_of, transpose_of
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.machine import Machine

RECORDING = 60  # dispatches that autograd takes for a function written in Python, both ways
SHARING = 60  # dispatches more where PyTorch computes some of it, in a loop that evicts the code
GAIN = 1.2  # times as long a kernel is taken to last: a training loop evicts its data, too
FLAT_TILES = 1.25  # times longer again where it transforms: it sums flat tiles plainly


class Part(NamedTuple):
    """The output of a call, or one of its gradients: the fastest kernel beside PyTorch."""

    kernel: str | None  # None: no kernel supports it, or PyTorch's forward call is faster
    seconds: float  # predicted, of packing a changed weight and of the kernel; infinite without one
    pytorch_seconds: float
    is_transform: bool = False

    @property
    def seconds_in_training(self) -> float:
        """Return how long the kernel is taken to last in a training loop."""
        return self.seconds * GAIN * (FLAT_TILES if self.is_transform else 1.0)

    @property
    def is_faster(self) -> bool:
        """Return whether the kernel is clearly faster than PyTorch."""
        return self.seconds_in_training < self.pytorch_seconds


class Parts(NamedTuple):
    """The output of a call, and its gradients."""

    output: Part
    of_input: Part
    of_weight: Part


class GradientChoice(NamedTuple):
    """What kernels compute of a recorded call; PyTorch computes the rest."""

    output: bool
    of_input: bool
    of_weight: bool


PYTORCH = GradientChoice(output=False, of_input=False, of_weight=False)


def choose_gradients(
    problem: Problem,
    accuracy: str,
    layout: str,
    *,
    output: bool = True,
    of_input: bool,
    of_weight: bool,
) -> GradientChoice:
    """Return what kernels compute, `PYTORCH` where PyTorch computes all of it faster.

    output, of_input, of_weight: whether the output and that gradient are asked for.
    """
    needed = output, of_input, of_weight
    return _choose(problem, accuracy, layout, needed, torch.get_num_threads())


def is_faster_in_float32(
    problem: Problem,
    accuracy: str,
    layout: str,
    *,
    output: bool = True,
    of_input: bool,
    of_weight: bool,
) -> bool:
    """Return whether a recorded call of 16 bits is clearly faster as one of float32, rounded.

    It is where the processor has no instructions for 16 bits: PyTorch's loops then take tens of
    times as long as its float32. Three axes are PyTorch's, whose memory layouts of 16 bits are
    others than those of float32.
    """
    if problem.dtype not in HALF_PRECISION or problem.ndim == 3 or accuracy == STRICT:
        return False
    times = output + of_input + of_weight
    return _is_faster_in_float32(problem, layout, times, torch.get_num_threads())


def predicted_parts(
    problem: Problem, accuracy: str, layout: str, *, weight_changes: bool = True
) -> Parts:
    """Return the predictions for the output and for both gradients of a call.

    weight_changes: whether an optimiser changes the weight, so that each step packs it again.

    Raises `UnsupportedError` where no kernel runs on this processor, and for a transposed
    convolution whose input's gradient is no convolution.
    """
    machine, transpose = machine_store.machine(), transpose_of(problem)
    of_transpose = pytorch_gradient_cost.of_input(problem, layout, machine)
    if _is_mispredicted(transpose):
        of_input = Part(None, inf, of_transpose)
    else:
        of_input = _part(transpose, accuracy, layout, of_transpose, machine, weight_changes)
    of_output = pytorch_cost.seconds(problem, layout, machine)
    of_weight = pytorch_gradient_cost.of_weight(problem, layout, machine)
    return Parts(
        _part(problem, accuracy, layout, of_output, machine, weight_changes),
        of_input,
        _part_of_weight(convolution_of(problem), layout, of_weight, machine),
    )


def forget() -> None:
    """Clear the caches of choices."""
    _choose.cache_clear()
    _is_faster_in_float32.cache_clear()


@lru_cache(maxsize=1024)
def _choose(
    problem: Problem, accuracy: str, layout: str, needed: tuple[bool, bool, bool], threads: int
) -> GradientChoice:
    if problem.ndim == 3 or problem.dtype in HALF_PRECISION:
        return PYTORCH
    try:
        parts = predicted_parts(problem, accuracy, layout, weight_changes=needed[2])
        machine = machine_store.machine()
    except ConvError:
        return PYTORCH
    options = [
        (False, True) if is_needed and part.kernel else (False,)
        for part, is_needed in zip(parts, needed, strict=True)
    ]
    choices = [GradientChoice(*each) for each in product(*options)]  # the first is PyTorch's
    return min(choices, key=lambda choice: _seconds(choice, parts, needed, machine.dispatch))


def _seconds(
    choice: GradientChoice, parts: Parts, needed: Sequence[bool], dispatch: float
) -> float:
    """Return how long a call takes of which kernels compute so much. dispatch: how long one is."""
    asked = [
        (part, by_kernel)
        for part, by_kernel, is_needed in zip(parts, choice, needed, strict=True)
        if is_needed
    ]
    computed = sum(
        part.seconds_in_training if by_kernel else part.pytorch_seconds for part, by_kernel in asked
    )
    if not any(choice):
        return computed
    is_shared = not all(by_kernel for _, by_kernel in asked)
    return computed + (RECORDING + SHARING * is_shared) * dispatch


@lru_cache(maxsize=1024)
def _is_faster_in_float32(problem: Problem, layout: str, times: int, threads: int) -> bool:
    """Compare PyTorch's times; in float32 kernels may be faster still.

    times: the output, and the gradients that are asked for. Input and output are converted, and so
    are their gradients; a weight is small beside them.
    """
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.runtime.half_precision import conversion_seconds

    try:
        machine = machine_store.machine()
    except ConvError:
        return False
    theirs, in_float32 = (
        times * pytorch_cost.seconds(each, layout, machine) for each in (problem, problem.widened())
    )
    converted = 2 * conversion_seconds(problem, machine)
    ours = in_float32 + converted
    return GAIN * ours < theirs and theirs - ours > RECORDING * machine.dispatch


def _part(
    problem: Problem,
    accuracy: str,
    layout: str,
    theirs: float,
    machine: Machine,
    weight_changes: bool,
) -> Part:
    fastest = chosen(problem, AUTO, accuracy, layout)
    if not fastest.kernel or fastest.compiled_seconds is None:
        return Part(None, inf, theirs)
    seconds = fastest.compiled_seconds
    if weight_changes:
        seconds += kernel_named(fastest.name).packing_seconds(problem, layout, machine)
    is_transform = not named(fastest.name).error_bound(problem).plain
    return Part(fastest.name, seconds, theirs, is_transform)


def _is_mispredicted(transpose: Problem) -> bool:
    """Return whether kernels of a transposed problem take several times as long as predicted.

    Where a group has one filter, they do if it has several channels, or a vector has more lanes
    than there are groups: the phases are then convolutions of a few numbers each.
    """
    # The code generator is imported when it is needed, not with the package.
    from glassconv.codegen.target import host
    from glassconv.kernels.phases_parts import depthwise

    if not isinstance(transpose, TransposedProblem):
        return False
    has_phases = transpose.weight_shape[1] == 1 and max(transpose.stride) > 1
    target = host()
    return has_phases and target is not None and not depthwise.is_supported(transpose, target)


def _part_of_weight(problem: ConvProblem, layout: str, theirs: float, machine: Machine) -> Part:
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.weight_gradients import fastest, supporting

    if not supporting(problem, layout):
        return Part(None, inf, theirs)
    kernel = fastest(problem, layout, machine)
    return Part(kernel.name, kernel.seconds(problem, layout, machine), theirs)
