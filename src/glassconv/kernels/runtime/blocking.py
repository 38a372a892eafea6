"""Blocking: how a kernel cuts a problem into tasks and into blocks that fit the caches.

Each kernel has a frozen dataclass of its own, and a pure function that makes it:

    blocking(problem, layout, target, threads) -> Blocking
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from glassconv.problem import ConvProblem

TASKS_PER_THREAD = 4  # a core that another process takes leaves its share to the others


@dataclass(frozen=True)
class Blocking:
    """The blocks of a problem; the fields of a subclass are whole numbers."""

    def items(self) -> tuple[tuple[str, int], ...]:
        """Return the name of each field, in words, and its number.

        >>> from glassconv.kernels.direct import DirectBlocking
        >>> DirectBlocking(vectors_per_row=7, vector_block=56).items()
        (('vectors per row', 7), ('vector block', 56))
        """
        return tuple(
            (field.name.replace("_", " ").replace(" in l", " in L"), getattr(self, field.name))
            for field in fields(self)
        )


def tasks_wanted(problem: ConvProblem, threads: int, smallest_task: int) -> int:
    """Return how many tasks a problem is cut into, if it can be: at least 1.

    smallest_task: multiply-adds that are worth a task of their own.
    """
    return max(1, min(TASKS_PER_THREAD * threads, problem.macs // smallest_task))


def round_up(number: int, multiple: int) -> int:
    """Return the least multiple that is not less than a number.

    >>> round_up(13, 8), round_up(16, 8)
    (16, 16)
    """
    return -(-number // multiple) * multiple
