"""What a file says, and what a library says of it, as part of a sentence: short and printable."""

from __future__ import annotations

import reprlib

LONGEST = 100  # characters of a value
LONGEST_LINE = 200


def quoted(value: object) -> str:
    r"""Return a value of a file as Python writes it, cut where it is long.

    >>> print(quoted("conv\x1b[2J"), quoted([1] * 1000))
    'conv\x1b[2J' [1, 1, 1, 1, 1, 1, ...]
    """
    return repr(value[:LONGEST]) if isinstance(value, str) else reprlib.repr(value)[:LONGEST]


def first_line(text: str) -> str:
    r"""Return the first line of a library's error, without control characters of a file's names.

    >>> first_line("invalid offset for `\x1b[2J`\nTraceback …")
    'invalid offset for `?[2J`'
    """
    line = text.strip().splitlines()[0] if text.strip() else "no reason given"
    return "".join(each if each.isprintable() else "?" for each in line)[:LONGEST_LINE]
