"""Count the calls that a piece of work makes: what it costs, whatever the processor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Count:
    """The number of calls, of Python's functions and of C's."""

    calls: int = 0

    def __call__(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.calls += event.endswith("call")


@contextmanager
def count_calls() -> Iterator[Count]:
    """Count the calls made inside the block by this thread."""
    count = Count()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield count
    finally:
        sys.setprofile(before)
