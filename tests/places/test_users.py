"""A user without a home folder, as a container's arbitrary one: no cache, the same results."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.process import Ended, run_python

HOMES = ("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME", "USERNAME")
NAMELESS = """
import os, pwd

def getpwuid(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")  # as for a number in no list of users

pwd.getpwuid = getpwuid
"""
CONVOLVES = """
import torch, glassconv
from glassconv.codegen import jit
from glassconv.dispatch import tuning_store
x, w = torch.ones(1, 4, 9, 9), torch.ones(4, 4, 3, 3)
assert (glassconv.conv2d(x, w, algorithm="direct") == 36).all()
assert (glassconv.conv2d(x, w) == 36).all()
assert glassconv.verify("4x9x9 4@3x3 p1").verdict.ok
assert len(glassconv.choose("4x9x9 4@3x3 p1").candidates) > 5
assert "4@3x3" in str(glassconv.explain("4x9x9 4@3x3"))
try:
    tuning_store.keep({})
except glassconv.DataError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no user numbers")
def test_a_user_without_a_name_or_a_home() -> None:
    ended = run_python(NAMELESS + CONVOLVES, without=HOMES)
    assert ended == Ended(0, "this user has no home folder: set XDG_CACHE_HOME to a folder\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not read-only there")
def test_a_cache_that_is_no_folder(tmp_path: Path) -> None:
    """As is one on a disk that cannot be written: even root cannot make this one."""
    (tmp_path / "glassconv").write_bytes(b"")
    ended = run_python(CONVOLVES, variables={"XDG_CACHE_HOME": str(tmp_path)})
    assert ended == Ended(0, ended.out, "")
    assert ended.out.startswith("cannot write the tuning store")
