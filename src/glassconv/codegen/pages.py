"""Fresh memory is slow, for each of its pages costs a fault: have larger ones, or keep it."""

from __future__ import annotations

import ctypes
import mmap

LARGE_PAGE = 2 << 20  # bytes
ENOUGH = 2 * LARGE_PAGE  # an array that holds at least one whole large page, wherever it begins
HUGEPAGE = getattr(mmap, "MADV_HUGEPAGE", None)  # Linux has it

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt

_madvise = ctypes.CDLL(None).madvise if HUGEPAGE is not None else None
if _madvise is not None:
    _madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def ask_for_large_pages(address: int, size: int) -> None:
    """Ask that so many bytes lie in large pages, where the system has any: a wish, never an error.

    >>> ask_for_large_pages(0, 0)
    """
    if _madvise is None or size < ENOUGH:
        return
    first = -(-address // LARGE_PAGE) * LARGE_PAGE
    last = (address + size) // LARGE_PAGE * LARGE_PAGE
    _madvise(first, last - first, HUGEPAGE)


def keep_memory() -> bool:
    """Let this process keep the memory that it frees, from now on; return whether it can.

    Whether a call's output lies on fresh pages hangs on what other calls freed before, and can cost
    more than the call. A measurement is steady where no call's does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    most = 2**31 - 1  # bytes, the largest number it takes
    return mallopt is not None and all(
        mallopt(option, most) for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD)
    )
