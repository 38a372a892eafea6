"""What another library's error says, as part of a sentence."""

from __future__ import annotations

LONGEST = 200  # characters


def one_line(text: str) -> str:
    r"""Return the first line of a text, short and without control characters of a file's names.

    >>> one_line("invalid offset for `\x1b[2J`\nTraceback …")
    'invalid offset for `?[2J`'
    """
    line = text.strip().splitlines()[0] if text.strip() else "no reason given"
    return "".join(each if each.isprintable() else "?" for each in line)[:LONGEST]
