"""The command line in this process, as if its output were piped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from glassconv.cli import main


def pipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder, 80 columns wide and without a terminal."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Return the exit code of `glassconv` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["glassconv", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)
