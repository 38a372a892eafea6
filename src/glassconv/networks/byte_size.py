"""A number of bytes in words, such as "2 GiB"."""

from __future__ import annotations

import re

from glassconv.errors import ArgumentError

UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SIZE = re.compile(r"(?P<number>\d{1,18}(\.\d{1,9})?) ?(?P<unit>[kKMGT]?i?B|)", re.ASCII)


def bytes_in(size: int | str) -> int:
    """Return a size in bytes; raises `ArgumentError` for what is none.

    >>> bytes_in("2 GiB"), bytes_in("1.5MB"), bytes_in(2**31)
    (2147483648, 1500000, 2147483648)
    """
    match = SIZE.fullmatch(str(size).strip())
    if match is None or match["unit"] not in UNITS:
        raise ArgumentError(f"memory is a size such as '2 GiB' or '500 MB', got {size!r}")
    return int(float(match["number"]) * UNITS[match["unit"]])
