"""Run an algorithm step by step and keep every array."""

from __future__ import annotations

from dataclasses import replace

import torch

from glassconv.algorithms import named
from glassconv.dispatch.select import AUTO, chosen
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.problem import Problem, as_problem, equal_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.trace import Trace


def trace(
    problem: str | Problem,
    algorithm: str = AUTO,
    operands: Operands | None = None,
    *,
    seed: int = 0,
) -> Trace:
    """Return every array that an algorithm makes on a problem, random operands if none are given.

    problem: an object, or shorthand.

    Raises `UnsupportedError` or `UnknownNameError` as `choose` does, `ShapeError` or `DtypeError`
    for operands of another problem.

    >>> for step in trace("3x32x32 1@5x5", "im2col").steps:
    ...     print(step.name, list(step.array.shape))
    padded [1, 3, 32, 32]
    windows [1, 3, 28, 28, 5, 5]
    columns [1, 75, 784]
    rows [1, 1, 75]
    product [1, 1, 784]
    output [1, 1, 28, 28]
    """
    problem = as_problem(problem)
    runs = named(chosen(problem, algorithm, "any").name)
    given = (operands or random_operands(problem, seed)).copy()  # lest a caller write over them
    given.check(problem)
    with torch.no_grad():
        steps = tuple(
            replace(step, array=to_numpy(step.array))
            for step in runs.steps(problem, given.input, given.weight, given.bias)
        )
    return Trace(
        problem=equal_convolution(problem),
        transposed=problem if isinstance(problem, TransposedProblem) else None,
        algorithm=runs.name,
        input=to_numpy(given.input),
        weight=to_numpy(given.weight),
        bias=None if given.bias is None else to_numpy(given.bias),
        steps=steps,
    )
