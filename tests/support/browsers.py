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
from glassconv.problem.operands import Operands, to_numpy

WEB = Path(__file__).parents[2] / "web"


def drive(script: str, address: str, screenshot: Path, *how: str) -> dict[str, Any]:
    """Return what a script of web/tests reports of a page; without Chromium, skip the test."""
    node, chromium = shutil.which("node"), shutil.which("chromium")
    if node is None or chromium is None:
        pytest.skip("needs node and chromium, which are not both installed")
    if not (WEB / "node_modules" / "playwright-core").is_dir():
        pytest.skip("needs playwright-core: npm ci in web/")
    program = [node, str(WEB / "tests" / script), address, chromium, str(screenshot), *how]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
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
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def documents(given: Operands) -> dict[str, Any]:
    """Return operands as the page reads them, without a bias where there is none."""
    arrays = {"input": given.input, "weight": given.weight, "bias": given.bias}
    return {
        name: to_document(to_numpy(array)) for name, array in arrays.items() if array is not None
    }


def check_first_output(text: str, expected: float) -> None:
    """Check what a page says of its first output: PyTorch's value, and its own close to it."""
    value, difference = pytorchs_value(text)
    assert abs(value - expected) <= 1e-4 * abs(expected)  # five digits are written
    assert difference <= 1e-5 * max(1.0, abs(expected))


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
