"""`import glassconv` gives what it lists, says its version, and loads nothing it does not need."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

import glassconv

LATER = ["matplotlib", "rich", "PIL", "pooch", "typer", "llvmlite"]  # imported on use


def in_a_new_python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_what_draws_downloads_or_compiles_is_not_loaded() -> None:
    loaded = in_a_new_python("import sys, glassconv; print(*sys.modules)").split()
    assert "glassconv.functional" in loaded
    assert [name for name in LATER if name in loaded] == []


def test_the_command_line_loads_matplotlib_only_where_it_draws() -> None:
    loaded = in_a_new_python("import sys, glassconv.cli; print(*sys.modules)").split()
    assert "glassconv.cli.draw" in loaded
    assert "matplotlib" not in loaded


def test_a_star_imports_what_is_listed() -> None:
    program = "from glassconv import *; print(*sorted(set(dir()) - set(__builtins__.__dict__)))"
    names = [name for name in in_a_new_python(program).split() if not name.startswith("__")]
    assert names == sorted(glassconv.__all__)


@pytest.mark.parametrize("name", glassconv.__all__)
def test_what_is_listed_is_there_and_explained(name: str) -> None:
    """`trace` and `verify` are the functions, not the modules of those names."""
    listed = getattr(glassconv, name)
    assert callable(listed)
    assert (listed.__doc__ or "").strip()
    assert listed.__module__.startswith("glassconv.")


def test_the_version_is_the_installed_ones() -> None:
    assert glassconv.__version__ == metadata.version("glassconv")
