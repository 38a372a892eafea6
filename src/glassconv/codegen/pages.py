"""Fresh memory is slow, for each of its pages costs a fault: use huge pages, or keep the memory."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

HUGE_PAGE = 2 << 20  # bytes
WORTHWHILE_BYTES = 2 * HUGE_PAGE  # an array that holds a whole huge page, wherever it begins
MADV_HUGEPAGE = getattr(mmap, "MADV_HUGEPAGE", None)  # Linux has it

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


def _process_function(name: str) -> Any:
    """Return a C function of this process, None where there is none (on Windows, for one)."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None


_madvise = _process_function("madvise") if MADV_HUGEPAGE is not None else None
if _madvise is not None:
    _madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def ask_for_huge_pages(address: int, size: int) -> None:
    """Ask the system to back so many bytes by huge pages: a hint, never an error.

    >>> ask_for_huge_pages(0, 0)
    """
    if _madvise is None or size < WORTHWHILE_BYTES:
        return
    first = -(-address // HUGE_PAGE) * HUGE_PAGE
    last = (address + size) // HUGE_PAGE * HUGE_PAGE
    _madvise(first, last - first, MADV_HUGEPAGE)


def give_back_memory() -> None:
    """Give pages that the C library keeps for later back to the system, where it can."""
    trim = _process_function("malloc_trim")
    if trim is not None:
        trim(0)


def keep_memory() -> bool:
    """Let this process keep the memory that it frees, from now on; return whether it can.

    Whether a call's output is on fresh pages depends on what other calls freed before, and fresh
    pages can cost more than the call. A measurement is steady where no call gets any.
    """
    mallopt = _process_function("mallopt")
    largest = 2**31 - 1  # bytes, the largest number it takes
    return mallopt is not None and all(
        mallopt(option, largest) for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD)
    )
