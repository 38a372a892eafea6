"""Both gradients, in JavaScript: every step against Python's, the sums against autograd's."""

from __future__ import annotations

from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from glassconv.explore.tensors import from_document, to_document
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.operands import Operands, random_grad_output, random_operands, to_numpy
from glassconv.tracing.backward import backward
from support.browsers import documents, in_node
from support.random_problems import random_problem
from support.references import by_torch

PROBLEMS = 100
AGREES = 2.0**-40  # of a step's largest, in float64: thousands of roundings, less than a mistake
COPIES = (
    "grad_output",
    "zero_inserted",
    "flipped",
    "swapped_input",
    "kernels",
    "columns",
)  # nothing is added
SUMS = {
    "grad_input": "input",
    "folded": "input",
    "grad_weight": "weight",
    "product": "weight",
    "grad_bias": "bias",
}


def test_the_steps_are_pythons_and_the_gradients_autograds(tmp_path: Path) -> None:
    problems = list(
        islice(filter(_drawn, (random_problem(Random(seed)) for seed in count())), PROBLEMS)
    )
    operands = [random_operands(problem, seed) for seed, problem in enumerate(problems)]
    gradients = [random_grad_output(problem, seed) for seed, problem in enumerate(problems)]
    cases = [
        {
            "problem": str(problem),
            "grad_output": to_document(to_numpy(gradient)),
            **documents(given),
        }
        for problem, given, gradient in zip(problems, operands, gradients, strict=True)
    ]
    answers = in_node("backward.mjs", cases, tmp_path)
    assert len(answers) == PROBLEMS
    for problem, given, gradient, steps in zip(problems, operands, gradients, answers, strict=True):
        found = {name: from_document(step, name) for name, step in steps.items()}
        _hold_to_python(problem, given, gradient, found)
        _hold_to_autograd(problem, given, gradient, found)


def _drawn(problem: ConvProblem) -> bool:
    """Whether the page draws such problems: pictures, of numbers that JavaScript has."""
    return problem.ndim == 2 and problem.batch > 0 and problem.dtype in ("float32", "float64")


def _hold_to_python(
    problem: ConvProblem, given: Operands, gradient: torch.Tensor, found: dict[str, Any]
) -> None:
    both = backward(problem, operands=given, grad_output=gradient)
    theirs = {step.name: step.array for step in (*both.input_steps, *both.weight_steps)}
    assert list(found) == list(theirs), problem
    for name, array in found.items():
        assert array.shape == theirs[name].shape, f"{problem}: {name}"
        if name in COPIES:
            assert (array == theirs[name]).all(), f"{problem}: {name}"
        elif problem.dtype == "float64":
            difference = np.abs(array - theirs[name]).max()
            assert difference <= AGREES * np.abs(theirs[name]).max(), f"{problem}: {name}"


def _hold_to_autograd(
    problem: ConvProblem, given: Operands, gradient: torch.Tensor, found: dict[str, Any]
) -> None:
    """Each sum of n products is within n·u·Σ|g||w| of PyTorch's own, which float64 makes exact."""
    truth, size = _autograd(problem, given, gradient), _autograd(problem, given, gradient, abs)
    positions = problem.batch * int(np.prod(problem.output_size))
    n = max(problem.gemm.m * problem.gemm.k, positions) + 1
    unit = FORMATS[problem.dtype].unit_roundoff + FORMATS["float64"].unit_roundoff
    for name, operand in SUMS.items():
        bound = n * (unit * size[operand] + problem.format.tiny)
        error = np.abs(found[name].astype(np.float64) - truth[operand])
        assert (error <= bound).all(), f"{problem}: {name}"


def _autograd(
    problem: ConvProblem, given: Operands, gradient: torch.Tensor, of: Any = torch.clone
) -> dict[str, Any]:
    """Return PyTorch's gradients in float64, of operands or of their absolute values."""
    bias = torch.zeros(problem.out_channels, dtype=torch.float64)
    input, weight, arriving = (
        of(array.double()) for array in (given.input, given.weight, gradient)
    )
    leaves = [leaf.requires_grad_() for leaf in (input, weight, bias)]
    output = by_torch(problem, Operands(*leaves))
    found = torch.autograd.grad(output, leaves, arriving)
    return dict(zip(("input", "weight", "bias"), map(to_numpy, found), strict=True))
