"""Transposed convolutions by algorithms that are written for convolutions.

A transposed convolution equals a convolution of its input with stride − 1 zeros inserted between
neighbours, by flipped filters (`problem/transposed.py`). An algorithm's file sees only that.

A zero times infinity is NaN, and so a weight that holds an infinity or a NaN must not meet inserted
zeros or padding. Such a weight is convolved by phases, where it meets inputs only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch._subclasses import FakeTensor

from glassconv.algorithms import phases
from glassconv.algorithms.parts import names
from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.reports.cost import Cost
from glassconv.reports.trace import Step

Answer = TypeVar("Answer")
Steps = Callable[[ConvProblem, Tensor, Tensor, Tensor | None], Iterator[Step]]


def of_convolution(function: Callable[[ConvProblem], Answer]) -> Callable[[Problem], Answer]:
    """Return the function of any problem that answers for the convolution it equals."""
    return lambda problem: function(equal_convolution(problem))


def cost_of_convolution(cost: Callable[[ConvProblem], Cost]) -> Callable[[Problem], Cost]:
    """Return the cost function of any problem: zero insertion and flipping are added."""

    def total(problem: Problem) -> Cost:
        if isinstance(problem, ConvProblem):
            return cost(problem)
        convolution = problem.convolution
        copies = convolution.input_bytes + convolution.weight_bytes
        spent = cost(convolution)
        return replace(
            spent,
            workspace_bytes=spent.workspace_bytes + copies,
            traffic_bytes=spent.traffic_bytes + problem.input_bytes + problem.weight_bytes + copies,
            operations=spent.operations + 2,
        )

    return total


def steps_of_convolution(
    steps: Steps,
) -> Callable[[Problem, Tensor, Tensor, Tensor | None], Iterator[Step]]:
    """Return the steps of any problem: zeros inserted and filters flipped before, a cut after."""

    def all_steps(
        problem: Problem, input: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Iterator[Step]:
        if isinstance(problem, ConvProblem):
            yield from steps(problem, input, weight, bias)
            return
        if not _may_meet_zeros(weight):
            yield from phases.steps(problem, input, weight, bias)
            return
        convolution = problem.convolution
        zeros_inserted, filters, bias = problem.convolution_arrays(input, weight, bias)
        axes = ("batch", "in_channels", *names.sizes(convolution))
        yield Step("zero_inserted", zeros_inserted, axes, "stride − 1 zeros between neighbours")
        axes = ("out_channels", "channels of a group", *names.kernel(convolution))
        yield Step("flipped", filters, axes, "filters and channels swapped, kernels flipped")
        output = zeros_inserted
        for step in steps(convolution, zeros_inserted, filters, bias):
            output = step.array
            yield step
        if problem.is_cut:
            note = "padding wider than the kernel cuts off outputs"
            yield Step("cut", problem.cut(output), names.output(convolution), note)

    return all_steps


def _may_meet_zeros(weight: Tensor) -> bool:
    """Return whether a weight holds neither NaN nor infinity, nor values that cannot be read."""
    if weight.is_meta or isinstance(weight, FakeTensor):  # it holds no values
        return True
    if is_functorch_wrapped_tensor(weight):  # vmap lets nobody read them
        return False
    return bool(torch.isfinite(weight).all())
