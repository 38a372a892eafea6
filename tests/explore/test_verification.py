"""What Verify draws, in JavaScript, against Python's: definition and bound, and sums within it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from glassconv.algorithms import Algorithm, named
from glassconv.explore.tensors import from_document
from glassconv.problem import ConvProblem
from glassconv.problem.operands import random_operands
from glassconv.verification.definition import allowed_error, definition
from glassconv.verification.verify import judge
from support.bound_of_page import bound_of_page
from support.browsers import documents, in_node
from support.random_problems import problems_for

PROBLEMS = 60
CANDIDATES = {  # the page's names of what Python bounds
    "sums": "im2col",
    "winograd2": "winograd2",
    "winograd4": "winograd4",
    "winograd6": "winograd6",
}


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_bounds_are_pythons_and_outputs_keep_them(candidate: str, tmp_path: Path) -> None:
    algorithm = named(CANDIDATES[candidate])
    problems = [*islice(_drawn(algorithm), PROBLEMS), *islice(_drawn(named("im2col")), PROBLEMS)]
    operands = [random_operands(problem, seed) for seed, problem in enumerate(problems)]
    cases = [
        {"problem": str(problem), "candidate": candidate, **documents(given)}
        for problem, given in zip(problems, operands, strict=True)
    ]
    answers = in_node("verification.mjs", cases, tmp_path)
    assert len(answers) == len(problems)
    bounded = 0
    for problem, given, answer in zip(problems, operands, answers, strict=True):
        assert bool(algorithm.supports(problem)) == ("refusal" not in answer), problem
        if "refusal" in answer:
            continue
        bounded += 1
        found = {name: from_document(each, name)[None] for name, each in answer.items()}
        bound = bound_of_page(algorithm.name, problem)
        truth = definition(problem, given)
        theirs = allowed_error(problem, bound, given, truth.magnitude)
        rounding = 2.0**-52 * (problem.taps_per_output + 1)
        assert (np.abs(found["definition"] - truth.output) <= rounding * truth.magnitude).all()
        # What underflow can lose within Winograd's transforms is left out by the page.
        lost = 2.0**24 * problem.format.tiny
        near = 64 * rounding * theirs + lost
        assert (np.abs(found["allowed"] - theirs) <= near).all(), problem
        values = found["values"].astype(problem.dtype)
        assert (values == found["values"]).all(), f"{problem}: not of the problem's type"
        assert judge(problem, candidate, values, given, bound).verdict, problem
    assert bounded >= PROBLEMS


def _drawn(algorithm: Algorithm) -> Iterator[ConvProblem]:
    for problem in problems_for(algorithm):
        if isinstance(problem, ConvProblem) and problem.ndim == 2:
            if problem.dtype not in ("float32", "float64"):
                continue
            yield replace(problem, batch=1)
