"""What Verify draws, in JavaScript, against Python's: definition and bound, and sums within it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from browsers import WEB
from glassconv.algorithms import named
from glassconv.explore.tensors import from_document, to_document
from glassconv.operands import random_operands, to_numpy
from glassconv.verify import allowed_error, definition, judge
from random_problems import problems_for

PROBLEMS = 100


def test_bounds_are_pythons_and_plain_sums_keep_them(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "esbuild").is_dir():
        pytest.skip("needs node, and esbuild: npm ci in web/")
    drawn = (
        replace(problem, batch=1)
        for problem in problems_for(named("im2col"))
        if problem.ndim == 2 and problem.dtype in ("float32", "float64")
    )
    problems = list(islice(drawn, PROBLEMS))
    operands = [random_operands(problem, seed) for seed, problem in enumerate(problems)]
    cases = []
    for problem, given in zip(problems, operands, strict=True):
        arrays = {"input": given.input, "weight": given.weight, "bias": given.bias}
        written = {
            name: to_document(to_numpy(each)) for name, each in arrays.items() if each is not None
        }
        cases.append({"problem": str(problem), **written})
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    program = [node, str(WEB / "tests" / "verification.mjs"), str(file)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == PROBLEMS
    for problem, given, answer in zip(problems, operands, answers, strict=True):
        found = {name: from_document(each, name)[None] for name, each in answer.items()}
        bound = named("im2col").error_bound(problem)
        truth = definition(problem, given)
        theirs = allowed_error(problem, bound, given, truth.magnitude)
        rounding = 2.0**-52 * (problem.taps_per_output + 1)
        assert (np.abs(found["definition"] - truth.output) <= rounding * truth.magnitude).all()
        np.testing.assert_allclose(found["allowed"], theirs, rtol=rounding, err_msg=str(problem))
        sums = found["sums"].astype(problem.dtype)
        assert (sums == found["sums"]).all(), f"{problem}: not of the problem's type"
        assert judge(problem, "plain sums", sums, given, bound).verdict, problem
