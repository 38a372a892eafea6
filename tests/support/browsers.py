"""Chromium and Node for tests: scripts of web/tests, run with the packages of web/."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from glassconv.explore.tensors import to_document
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, to_numpy
from glassconv.reports.error_bound import sum_of_products_bound
from glassconv.verification.definition import allowed_error, definition
from support.references import by_torch

HANGS = 600  # seconds: only so that a script that hangs is ended
WEB = Path(__file__).parents[2] / "web"
assert (WEB / "package.json").is_file(), WEB  # or every test here would be skipped


def drive(script: str, address: str, screenshot: Path, *how: str) -> dict[str, Any]:
    """Return what a script of web/tests reports of a page; without Chromium, skip the test."""
    node, chromium = shutil.which("node"), shutil.which("chromium")
    if node is None or chromium is None:
        pytest.skip("needs node and chromium, which are not both installed")
    if not (WEB / "node_modules" / "playwright-core").is_dir():
        pytest.skip("needs playwright-core: npm ci in web/")
    program = [node, str(WEB / "tests" / script), address, chromium, str(screenshot), *how]
    done = subprocess.run(program, capture_output=True, text=True, timeout=HANGS, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def in_node(script: str, cases: list[Any], folder: Path) -> Any:
    """Return what a script of web/tests computes for some cases; without Node, skip the test.

    It runs the explorer's own sources, which esbuild bundles.
    """
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "esbuild").is_dir():
        pytest.skip("needs node, and esbuild: npm ci in web/")
    file = folder / "cases.json"
    file.write_text(json.dumps(cases))
    program = [node, str(WEB / "tests" / script), str(file)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=HANGS, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def documents(given: Operands) -> dict[str, Any]:
    """Return operands as the page reads them, without a bias where there is none."""
    arrays = {"input": given.input, "weight": given.weight, "bias": given.bias}
    return {
        name: to_document(to_numpy(array)) for name, array in arrays.items() if array is not None
    }


def first_bound(problem: ConvProblem, operands: Operands) -> float:
    """Return how far two sums of the first output's products may be apart, in float32.

    PyTorch's is within the bound of a sum of plain products; so is the page's, which sums in
    float64 and rounds once.
    """
    truth = definition(problem, operands)
    one = sum_of_products_bound(problem.taps_per_output, problem.format)
    allowed = allowed_error(problem, one, operands, truth.magnitude)
    return 2 * float(allowed.flat[0])


def check_first_output(text: str, problem: ConvProblem, operands: Operands) -> None:
    """Check what a page says of its first output: PyTorch's value, and its own close to it."""
    expected = float(by_torch(problem, operands).flatten()[0])
    value, difference = pytorchs_value(text)
    assert abs(value - expected) <= 0.5e-4 * abs(expected)  # five significant digits are written
    assert difference <= first_bound(problem, operands)


def pytorchs_value(text: str) -> tuple[float, float]:
    """Return PyTorch's value of the output that a page tells of, and its distance to the page's."""
    told = re.search(r"PyTorch’s value is (\S+): \|Δ\| = (\S+)\.", text)
    assert told, text
    return _number(told[1]), _number(told[2])


def _number(text: str) -> float:
    """Return the number that the page wrote as −0.123, or as 1.23·10⁻⁸."""
    mantissa, _, exponent = text.replace("−", "-").partition("·10")
    powers = {digit: str(place) for place, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")} | {"⁻": "-"}
    return float(f"{mantissa}e{''.join(powers[each] for each in exponent) or 0}")
