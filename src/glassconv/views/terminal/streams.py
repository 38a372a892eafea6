"""What the command line writes to: a stream that may be closed, full, or read no further."""

from __future__ import annotations

import io
import os
import sys
from typing import IO


class Outlet(io.RawIOBase):
    """A stream's bytes on their way out; after the first error it takes all others and drops them.

    So a command runs to its end and has its own exit code when a pipe is closed early, as in
    `glassconv algorithms | head -1`, and no error is raised in the middle of a table.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self.raw = raw
        self.error: OSError | None = None

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # any buffer
        """Write bytes, or drop them; return how many were taken."""
        if self.error is None:
            try:
                return self.raw.write(data) or 0
            except OSError as error:
                self.error = error
        return len(data)

    def writable(self) -> bool:
        """Return true."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self.raw.fileno()

    def isatty(self) -> bool:
        """Return whether a person reads it."""
        return self.raw.isatty()


def guard_streams() -> Outlet | None:
    """Let no write to stdout or stderr raise; return what stdout writes to.

    A stream that is closed writes nothing, and a character that a terminal lacks becomes "?".
    Return None where stdout is no stream of bytes, but one of a program that calls `main`.
    """
    _, outlet = (_guarded(name) for name in ("stderr", "stdout"))
    return outlet


def _guarded(name: str) -> Outlet | None:
    stream: IO[str] | None = getattr(sys, name)
    if stream is None:  # it was closed when Python started
        setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        return None
    if type(stream) is not io.TextIOWrapper:
        return None
    raw = getattr(stream.buffer, "raw", stream.buffer)  # python -u has no buffer
    if not isinstance(raw, io.RawIOBase):
        stream.reconfigure(errors="replace")
        return None
    stream.flush()
    outlet = Outlet(raw)
    text = io.TextIOWrapper(
        io.BufferedWriter(outlet),  # type: ignore[type-var]  # typeshed asks for more of `write`
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    setattr(sys, name, text)
    return outlet
