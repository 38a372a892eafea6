"""The page's gradients, in JavaScript, against Python's steps and PyTorch's autograd.

In float64 no element may differ by 2⁻⁴⁰ of the step's largest: thousands of roundings, and far less
than any mistake.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from browsers import WEB
from glassconv.algorithms import named
from glassconv.backward import backward, random_gradient
from glassconv.explore.tensors import from_document, to_document
from glassconv.operands import random_operands, to_numpy
from random_problems import problems_for

PROBLEMS = 80
AGREES = 2.0**-40


def test_the_page_goes_backwards_as_python_and_autograd_do(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "esbuild").is_dir():
        pytest.skip("needs node, and esbuild: npm ci in web/")
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
            "input": to_document(to_numpy(given.input)),
            "weight": to_document(to_numpy(given.weight)),
            "grad_output": to_document(to_numpy(gradient)),
        }
        for problem, given, gradient in zip(problems, operands, gradients, strict=True)
    ]
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    program = [node, str(WEB / "tests" / "backward.mjs"), str(file)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
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
