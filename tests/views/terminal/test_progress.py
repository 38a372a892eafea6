"""The progress bar: drawn once its timer fires, on terminals alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console

from glassconv.views.terminal import progress


class HandTimer:
    """Stands in for `threading.Timer`: it fires when a test says so, not after some seconds."""

    started: list[HandTimer]

    def __init__(self, seconds: float, fire: Callable[[], None]) -> None:
        self.seconds, self.fire = seconds, fire
        self.cancelled = False

    def start(self) -> None:
        HandTimer.started.append(self)

    def cancel(self) -> None:
        self.cancelled = True

    def join(self) -> None: ...


def drawn(monkeypatch: pytest.MonkeyPatch, terminal: bool, fires: bool) -> str:
    """Return what is written while two items are counted; the timer fires before the first."""
    monkeypatch.setattr(progress, "Timer", HandTimer)
    monkeypatch.setattr(HandTimer, "started", [], raising=False)

    def items() -> Iterator[int]:
        (timer,) = HandTimer.started
        assert timer.seconds == progress.PATIENCE
        if fires:
            timer.fire()
        yield from (1, 2)

    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, _environ={"TERM": "xterm"})
    assert list(progress.counted(items(), 2, "working", console)) == [1, 2]
    assert HandTimer.started[0].cancelled
    return file.getvalue()


def test_a_bar_is_drawn_while_the_first_item_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "working" in drawn(monkeypatch, terminal=True, fires=True)


def test_what_ends_before_the_timer_fires_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, terminal=True, fires=False).strip() == ""


def test_a_pipe_gets_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, terminal=False, fires=True) == ""
