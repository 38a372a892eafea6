"""Progress bars: of a download, with the interface pooch asks for, and of work in equal steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Timer
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.text import Text

PATIENCE = 1.0  # seconds: what is done sooner shows no bar

Item = TypeVar("Item")


def counted(
    items: Iterable[Item], total: int, description: str, console: Console, done: int = 0
) -> Iterator[Item]:
    """Yield the items, drawing a bar on a terminal once a second has gone by; it leaves no trace.

    A timer starts the bar, for the first item alone may take longer than that. done: how many of
    the total were there before.
    """
    bar = Progress(
        "{task.description}",
        BarColumn(),
        "{task.completed}/{task.total}",
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_interactive,
    )
    task = bar.add_task(description, total=total, completed=done)
    patience = Timer(PATIENCE, bar.start)
    patience.daemon = True
    patience.start()
    try:
        for item in items:
            yield item
            bar.advance(task)
    finally:
        patience.cancel()
        patience.join()  # lest it start the bar after it is stopped
        bar.stop()


class _Rate(ProgressColumn):
    """The items of a second, or of a minute where they take long."""

    def render(self, task: Task) -> Text:
        if not task.speed:
            return Text("")
        return Text(f"{task.speed:.3g}/s" if task.speed >= 1 else f"{60 * task.speed:.3g}/min")


class DownloadBar:
    """Draws a bar on a console; `total` is set by the download once the server has told it."""

    def __init__(self, console: Console, description: str) -> None:
        columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task(description, total=None)
        self._progress.start()

    @property
    def total(self) -> int:
        """Return the number of bytes expected, 0 while unknown."""
        return int(self._progress.tasks[0].total or 0)

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size)

    def update(self, amount: int, /) -> None:
        """Move on by some bytes."""
        self._progress.advance(self._task, amount)

    def reset(self) -> None:
        """Start again from nothing."""
        self._progress.reset(self._task)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()
