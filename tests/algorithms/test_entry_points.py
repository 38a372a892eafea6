"""Algorithms of other packages: found through the entry point group `glassconv.algorithms`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough  # a process each
SOURCE = '''
"""halves: im2col under another name."""

from glassconv.algorithms.im2col import cost, error_bound, steps, supports
'''
PROGRAM = """
from glassconv import parse, verify
from glassconv.algorithms import ALGORITHMS
found = ALGORITHMS["halves"]
print(found.name, found.distribution, found.idea)
print(list(ALGORITHMS) == sorted(ALGORITHMS))
print(verify(parse("2x5x5 3@3x3"), "halves").verdict.ok)
"""


def distribution(folder: Path, entry_points: str, source: str = SOURCE) -> None:
    """Write an installed distribution: its module, and its metadata."""
    (folder / "half_package.py").write_text(source)
    info = folder / "half_package-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: half-package\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[glassconv.algorithms]\n{entry_points}\n")


def python(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with the folder on its path, as site-packages is."""
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_installed_packages_algorithm_is_one_of_ours(tmp_path: Path) -> None:
    distribution(tmp_path, "halves = half_package")
    done = python(tmp_path, PROGRAM)
    assert done.stdout.splitlines() == [
        "halves half-package halves: im2col under another name.",
        "True",
        "True",
    ], done.stderr


@pytest.mark.parametrize(
    ("entry_point", "source", "cause"),
    [
        ("halves = half_package", '"""An idea."""', "half_package.py: no function supports"),
        ("halves = half_package:cost", SOURCE, "names a function, not a module"),
        ("halves = no_such_module", SOURCE, "No module named 'no_such_module'"),
        ("direct = half_package", SOURCE, "two files are named direct: "),
    ],
)
def test_what_is_no_algorithm_is_refused_with_the_distributions_name(
    tmp_path: Path, entry_point: str, source: str, cause: str
) -> None:
    distribution(tmp_path, entry_point, source)
    done = python(tmp_path, "import glassconv")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "MalformedAlgorithmError: " in line
               and "half-package" in line]  # fmt: skip
    assert cause in line
