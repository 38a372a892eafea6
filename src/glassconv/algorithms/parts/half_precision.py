"""bfloat16 and float16 by algorithms that are written for float32: the output is rounded once.

Each number of 16 bits is a number of float32. An algorithm's file sees the problem in float32, and
its output is rounded to the nearest number of 16 bits. So the file's sums are as exact as float32's
and the last rounding is nearly all of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from torch import Tensor

from glassconv.problem.dtypes import HALF_PRECISION
from glassconv.problem.problem import Problem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound, rounded_once
from glassconv.reports.trace import Step

Answer = TypeVar("Answer")
Steps = Callable[[Problem, Tensor, Tensor, Tensor | None], Iterator[Step]]


def in_float32(function: Callable[[Problem], Answer]) -> Callable[[Problem], Answer]:
    """Return the function of any problem that answers for the problem in float32."""
    return lambda problem: function(problem.widened())


def bound_in_float32(
    error_bound: Callable[[Problem], ErrorBound],
) -> Callable[[Problem], ErrorBound]:
    """Return the bound of any problem: float32's, and one rounding."""

    def bound(problem: Problem) -> ErrorBound:
        widened = error_bound(problem.widened())
        return rounded_once(widened, problem.format) if _is_half(problem) else widened

    return bound


def cost_in_float32(cost: Callable[[Problem], Cost]) -> Callable[[Problem], Cost]:
    """Return the cost of any problem: copies in float32 are added."""

    def total(problem: Problem) -> Cost:
        spent = cost(problem.widened())
        if not _is_half(problem):
            return spent
        given, copies = (
            each.input_bytes + each.weight_bytes + each.output_bytes
            for each in (problem, problem.widened())
        )
        return replace(
            spent,
            workspace_bytes=spent.workspace_bytes + copies,
            traffic_bytes=spent.traffic_bytes + given + copies,
            operations=spent.operations + 3,
        )

    return total


def steps_in_float32(steps: Steps) -> Steps:
    """Return the steps of any problem: float32's between widening and rounding."""

    def all_steps(
        problem: Problem, input: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Iterator[Step]:
        if not _is_half(problem):
            yield from steps(problem, input, weight, bias)
            return
        widened = input.float()
        axes = ("batch", "in_channels", *problem.axis_names)
        yield Step("widened", widened, axes, f"each {problem.dtype} as the same float32")
        bias = None if bias is None else bias.float()
        last = None
        for step in steps(problem.widened(), widened, weight.float(), bias):
            if last is not None:
                yield last
            last = step
        if last is not None:
            yield replace(last, name="sums")
            note = f"rounded once, to the nearest {problem.dtype}"
            yield Step("output", last.array.to(input.dtype), last.axes, note)

    return all_steps


def _is_half(problem: Problem) -> bool:
    return problem.dtype in HALF_PRECISION
