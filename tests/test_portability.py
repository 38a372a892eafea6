"""What Windows and macOS lack is taken away: everything works but, at most, the kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from glassconv import choose, parse
from glassconv.dispatch import select
from glassconv.dispatch.memory import memory_limit

# A system without POSIX: what is imported before has its own guards and is not ours to test.
WITHOUT_POSIX = """
import ctypes, mmap, os
from pathlib import Path
import llvmlite.binding, matplotlib, PIL.Image, pooch, rich.console, torch, typer, numpy
for module, names in {
    os: ("sysconf", "sysconf_names", "getuid", "geteuid", "fork", "uname", "sched_getaffinity"),
    mmap: ("MADV_HUGEPAGE", "PROT_READ"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

class Library(ctypes.CDLL):
    def __init__(self, name, *arguments, **keywords):
        if name is None:
            raise TypeError("bad argument type for built-in operation")  # as on Windows
        super().__init__(name, *arguments, **keywords)

ctypes.CDLL = Library
read_text = Path.read_text

def without_proc(path, *arguments, **keywords):
    if path.is_relative_to("/proc") or path.is_relative_to("/sys"):
        raise FileNotFoundError(path)
    return read_text(path, *arguments, **keywords)

Path.read_text = without_proc
"""
EVERYTHING = """
import importlib, pkgutil
import glassconv
for info in pkgutil.walk_packages(glassconv.__path__, "glassconv."):
    if not info.name.endswith("__main__"):
        importlib.import_module(info.name)
problem = glassconv.parse("3x9x8 4@3x3 p1")
operands = glassconv.random_operands(problem)
for algorithm in ("auto", *glassconv.algorithms.ALGORITHMS):
    supported = algorithm == "auto" or glassconv.algorithms.named(algorithm).supports(problem)
    if supported:
        output = glassconv.conv2d(
            operands.input, operands.weight, operands.bias, padding=1, algorithm=algorithm,
            accuracy="default" if algorithm == "auto" else "any",
        )
        assert output.shape == problem.output_shape
        assert glassconv.verify(problem, algorithm).verdict
        print(algorithm)
assert glassconv.trace(problem).output.shape == problem.output_shape
assert glassconv.backward(problem)["grad_input"].shape == problem.input_shape
str(glassconv.explain(problem))
"""


def refuses(error: type[Exception]) -> Callable[[str], int]:
    def sysconf(name: str) -> int:
        raise error(name)

    return sysconf


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_a_system_that_does_not_tell_its_memory_refuses_nothing_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: type[Exception]
) -> None:
    monkeypatch.setattr(os, "sysconf", refuses(error))
    check_no_guard(monkeypatch, tmp_path)


def test_a_system_without_sysconf_refuses_nothing_for_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "sysconf")
    check_no_guard(monkeypatch, tmp_path)


def check_no_guard(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Check that nothing is refused where neither the system nor a container limits memory."""
    select.forget()
    assert memory_limit(root) is None
    monkeypatch.setattr(select, "memory_limit", partial(memory_limit, root))
    try:
        assert choose(parse("1x1000000x1000000 1@3x3"), "im2col", "any").algorithm == "im2col"
    finally:
        select.forget()


def test_nothing_but_the_kernels_needs_posix() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX + EVERYTHING],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"auto", "aten", "direct", "im2col", "winograd2", "fft"} <= set(done.stdout.split())
