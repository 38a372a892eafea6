"""Without what only Linux has, code is generated and run by one thread, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Runs in a process of its own: what is taken away is taken before the package is imported.
ELSEWHERE = """
import ctypes, mmap, os, pathlib
import torch

del os.getuid
if hasattr(mmap, "MADV_HUGEPAGE"):
    del mmap.MADV_HUGEPAGE
load, read = ctypes.CDLL, pathlib.Path.read_text

def cdll(name, *rest, **options):
    if name in (None, torch._C.__file__):
        raise TypeError("no handle of this process, as on Windows")
    return load(name, *rest, **options)

def read_text(path, *rest, **options):
    if str(path).startswith(("/proc", "/sys")):
        raise FileNotFoundError(path)
    return read(path, *rest, **options)

ctypes.CDLL, pathlib.Path.read_text = cdll, read_text

from glassconv import parse
from glassconv.algorithms import named
from glassconv.codegen import openmp, pages, target
from glassconv.codegen.jit import folder
from glassconv.kernels import KERNELS
from glassconv.problem.memory_layout import contiguous
from glassconv.problem.operands import random_operands, to_numpy
from glassconv.verification.verify import judge

assert openmp.runtime() is None and openmp.threads() == 1
assert not pages.keep_memory()
problem = parse("8x20x20 12@3x3 p1")
operands, bound = random_operands(problem), named("implicit_gemm").error_bound(problem)
plan = KERNELS["implicit_gemm"].plan(problem, contiguous(problem))
output = to_numpy(plan(operands.input, operands.weight, operands.bias))
assert judge(problem, "implicit_gemm", output, operands, bound).verdict
assert "GOMP" not in plan.kernel.text
assert not list(folder().glob("*")), "a cache without owners of files"
print(target.host().name)
"""


def test_kernels_run_without_what_linux_has(tmp_path: os.PathLike[str]) -> None:
    from glassconv.codegen.target import host

    here = host()
    if here is None:
        pytest.skip("no kernel runs on this processor")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", ELSEWHERE]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == here.name
