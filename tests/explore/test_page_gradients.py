"""The page's gradients, in JavaScript, against Python's steps and PyTorch's autograd.

In float64 no element may differ by 2⁻⁴⁰ of the step's largest: thousands of roundings, and far less
than any mistake.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch

from browsers import documents, in_node
from glassconv.algorithms import named
from glassconv.backward import backward, random_gradient
from glassconv.explore.tensors import from_document, to_document
from glassconv.operands import random_operands, to_numpy
from random_problems import problems_for

PROBLEMS = 80
AGREES = 2.0**-40


def test_the_page_goes_backwards_as_python_and_autograd_do(tmp_path: Path) -> None:
    drawn = (
        problem
        for problem in problems_for(named("aten"))
        if problem.ndim == 2 and problem.batch and problem.dtype == "float64"
    )
    problems = list(islice(drawn, PROBLEMS))
    operands = [random_operands(problem, seed) for seed, problem in enumerate(problems)]
    gradients = [random_gradient(problem, seed) for seed, problem in enumerate(problems)]
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
    for problem, given, gradient, answer in zip(
        problems, operands, gradients, answers, strict=True
    ):
        theirs = backward(problem, "auto", given, gradient)
        found = {name: from_document(each, name) for name, each in answer.items()}
        for name, array in found.items():
            expected = theirs[name]
            assert array.shape == expected.shape, f"{problem}: {name}"
            assert np.abs(array - expected).max() <= AGREES * np.abs(expected).max(), name
        input, weight = given.input.requires_grad_(), given.weight.requires_grad_()
        output = named("aten").run(problem, input, weight, None)
        autograd = torch.autograd.grad(output, (input, weight), gradient)
        for name, exact in zip(("grad_input", "grad_weight"), autograd, strict=True):
            difference = np.abs(found[name] - to_numpy(exact)).max()
            assert difference <= AGREES * exact.abs().max().item(), f"{problem}: {name}"
