"""Idle threads that still use a processor: what is timed waits until they sleep.

NumPy's BLAS lets its threads spin after a product, for a tenth of a second or so, and takes a core
from what runs next. PyTorch's OpenMP threads spin for about a millisecond.
"""

from __future__ import annotations

from time import process_time, sleep

WAIT = 0.01  # seconds
MOST_WAITS = 100


def wait_for_threads() -> None:
    """Wait until no other thread of this process computes, but no longer than a second."""
    for _ in range(MOST_WAITS):
        before = process_time()  # of all threads
        sleep(WAIT)
        if process_time() - before < WAIT / 10:
            return
