"""The page's algorithms, in JavaScript, against Python's own, step by step.

Both work in the problem's dtype but may add in another order. In float64 a step agrees when no
element differs by 2⁻⁴⁰ of the largest of the step and the one before, from which it may cancel:
thousands of roundings, and far less than any mistake. The output, in either dtype, is held to the
definition within the algorithm's bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from glassconv import judge, trace
from glassconv.algorithms import Algorithm, named
from glassconv.explore.tensors import from_document
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, random_operands
from glassconv.reports.array import Array
from support.bound_of_page import bound_of_page
from support.browsers import documents, in_node
from support.random_problems import problems_for

PROBLEMS = 60  # of an algorithm
AGREES = 2.0**-40


@pytest.fixture(autouse=True)
def transforms_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every tile for flat: the page draws transforms and computes no tile directly."""

    def flat(problem: ConvProblem, test: object, tiles: Tensor) -> Tensor:
        return torch.ones(problem.batch, problem.groups, *tiles.shape[2:4], dtype=torch.bool)

    monkeypatch.setattr("glassconv.algorithms.parts.winograd.flat_tiles", flat)


def test_every_algorithm_of_the_page_makes_pythons_steps(tmp_path: Path) -> None:
    algorithms = in_node("steps.mjs", [], tmp_path)
    assert algorithms
    for algorithm in algorithms:
        problems = list(islice(_drawn(named(algorithm)), PROBLEMS))
        operands = [random_operands(problem, seed) for seed, problem in enumerate(problems)]
        pairs = zip(problems, operands, strict=True)
        cases = [
            {"algorithm": algorithm, "problem": str(problem), **documents(given)}
            for problem, given in pairs
        ]
        answers = in_node("steps.mjs", cases, tmp_path)
        assert len(answers) == PROBLEMS
        for problem, given, steps in zip(problems, operands, answers, strict=True):
            _check(algorithm, problem, given, steps)


def _drawn(algorithm: Algorithm) -> Iterator[ConvProblem]:
    """Yield problems that the page draws: pictures, of numbers that JavaScript has."""
    for problem in problems_for(algorithm):
        is_picture = isinstance(problem, ConvProblem) and problem.ndim == 2 and problem.batch > 0
        if is_picture and problem.dtype in ("float32", "float64"):
            yield cast(ConvProblem, problem)


def _real(array: Array) -> Array:
    """Return complex numbers as pairs, for the page has no others."""
    return np.stack([array.real, array.imag], axis=-1) if np.iscomplexobj(array) else array


def _check(algorithm: str, problem: ConvProblem, given: Operands, steps: dict[str, Any]) -> None:
    theirs = {step.name: _real(step.array) for step in trace(problem, algorithm, given).steps}
    found = {name: from_document(step, name) for name, step in steps.items()}
    assert list(found) == [name for name in theirs if name in found], problem
    assert list(found)[-1] == "output"
    before = 0.0
    for name, array in found.items():
        assert array.shape == theirs[name].shape, f"{problem}: {name}"
        if problem.dtype != "float64" or array.size == 0:
            continue
        largest = np.abs(theirs[name]).max()
        difference = np.abs(array - theirs[name]).max()
        assert difference <= AGREES * max(largest, before), f"{problem}: {name}"
        before = largest
    bound = bound_of_page(algorithm, problem)
    verdict = judge(problem, f"{algorithm} of the page", found["output"], given, bound).verdict
    assert verdict.ok, f"{problem}: {verdict.reason}"
