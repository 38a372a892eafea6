"""Algorithms of other packages: found through the entry point group `glassconv.algorithms`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough  # processes
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
# Each folder in a child of a process that has imported torch, which takes seconds.
IMPORTED_WITH_EACH = """
import os, sys
import torch
for folder in sys.argv[1:]:
    child = os.fork()
    if not child:
        sys.path.insert(0, folder)
        os.dup2(os.open(f"{folder}/errors", os.O_CREAT | os.O_WRONLY), 2)
        import glassconv
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def distribution(folder: Path, entry_points: str, source: str = SOURCE) -> None:
    """Write an installed distribution: its module, and its metadata."""
    folder.mkdir(exist_ok=True)
    (folder / "half_package.py").write_text(source)
    info = folder / "half_package-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: half-package\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[glassconv.algorithms]\n{entry_points}\n")


def python(path: Sequence[Path | str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with more folders on its path, as site-packages is."""
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, path)))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_installed_packages_algorithm_is_one_of_ours(tmp_path: Path) -> None:
    distribution(tmp_path, "halves = half_package")
    done = python([tmp_path, *sys.path], "-c", PROGRAM)
    assert done.stdout.splitlines() == [
        "halves half-package halves: im2col under another name.",
        "True",
        "True",
    ], done.stderr


REFUSED = {
    "half_package.py: no function supports": ("halves = half_package", '"""An idea."""'),
    "names a function, not a module": ("halves = half_package:cost", SOURCE),
    "No module named 'no_such_module'": ("halves = no_such_module", SOURCE),
    "two files are named direct: ": ("direct = half_package", SOURCE),
}


def test_what_is_no_algorithm_is_refused_with_the_distributions_name(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(len(REFUSED))]
    for folder, entry in zip(folders, REFUSED.values(), strict=True):
        distribution(folder, *entry)
    done = python(sys.path, "-c", IMPORTED_WITH_EACH, *map(str, folders))
    assert done.stdout.split() == ["1"] * len(REFUSED), done.stderr
    for folder, cause in zip(folders, REFUSED, strict=True):
        errors = (folder / "errors").read_text().splitlines()
        (line,) = [line for line in errors if "MalformedAlgorithmError: " in line
                   and "half-package" in line]  # fmt: skip
        assert cause in line
