"""A file of which no more than a few megabytes can be asked for at once."""

from __future__ import annotations

import io
from pathlib import Path

from glassconv.errors import NetworkError

MOST_AT_ONCE = 4 << 20  # bytes: ten times the directory of an archive of 4,000 weights
LONGEST_LINE = 1 << 10


class BoundedFile(io.BufferedReader):
    """A regular file, opened to be read by code that believes the sizes written in it.

    Asking for more than `MOST_AT_ONCE` bytes raises `NetworkError`. A line ends at `LONGEST_LINE`.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():  # a pipe would wait for a writer
            raise NetworkError("this is no regular file", request=str(path))
        super().__init__(io.FileIO(path))
        self.path = path

    def read(self, size: int | None = -1) -> bytes:
        """Return at most `size` bytes."""
        if size is not None and size > MOST_AT_ONCE:
            cause = f"it states a part of {size:,} bytes, where at most {MOST_AT_ONCE:,} are read"
            raise NetworkError(cause, request=str(self.path))
        return super().read(size)

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line, or its first `LONGEST_LINE` bytes."""
        return super().readline(LONGEST_LINE)
