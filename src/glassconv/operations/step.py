"""Step: a compiled operation between convolutions, and how its work is divided into tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glassconv.codegen.jit import Compiled

# A core moves 40 to 100 bytes in a nanosecond where they are in L3 or L2.
BYTES_PER_TASK = 800_000  # about 10 to 20 µs
WORTH_DIVIDING = 200_000  # about 2 to 5 µs


@dataclass(frozen=True)
class Step:
    """A compiled operation between convolutions: what its tasks compute from arrays' addresses."""

    kernel: Compiled  # its function is name(parameters, arrays, tasks, threads)
    parameters: Any  # the kernel's struct, packed
    tasks: int  # equal pieces of work
    workspace_bytes: int = 0  # per thread


def tasks_wanted(moved_bytes: int, threads: int) -> int:
    """Return how many tasks to divide an operation into that reads and writes so many bytes.

    It is one where tasks would be too small, and otherwise a multiple of the threads.

    >>> tasks_wanted(100_000, 2), tasks_wanted(400_000, 2), tasks_wanted(8_000_000, 4)
    (1, 2, 12)
    """
    if moved_bytes < WORTH_DIVIDING:
        return 1
    return threads * -(-moved_bytes // (BYTES_PER_TASK * threads))
