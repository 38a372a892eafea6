"""A bar is drawn once a second has gone by, on terminals alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from time import sleep

import pytest
from rich.console import Console

from glassconv.views.terminal import progress


def slow() -> Iterator[int]:
    """Yield two numbers, the first of them late."""
    sleep(0.3)
    yield 1
    yield 2


def drawn(terminal: bool) -> str:
    """Return what is written while slow items are counted."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, _environ={"TERM": "xterm"})
    assert list(progress.counted(slow(), 2, "working", console)) == [1, 2]
    return file.getvalue()


def test_a_slow_first_item_is_not_waited_for_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    assert "working" in drawn(terminal=True)


def test_what_is_quick_draws_nothing() -> None:
    assert drawn(terminal=True).strip() == ""


def test_a_pipe_gets_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    assert drawn(terminal=False) == ""
