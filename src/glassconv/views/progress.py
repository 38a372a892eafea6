"""A download's progress bar, with the interface pooch asks for."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn


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
