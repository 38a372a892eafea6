"""Blocking: how a kernel divides a problem into tasks and into blocks that fit the caches.

Each kernel has its own frozen dataclass, and a pure function that returns it:

    blocking(problem, layout, target, threads) -> Blocking
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from glassconv.problem import ConvProblem

TASKS_PER_THREAD = 4  # so that other threads can take over the tasks of a preempted one


@dataclass(frozen=True)
class Blocking:
    """The blocks of a problem; the fields of subclasses are integers."""

    def items(self) -> tuple[tuple[str, int], ...]:
        """Return the name of each field, as text, and its value.

        >>> from glassconv.kernels.direct import DirectBlocking
        >>> DirectBlocking(7, 56, vectors_per_row=7, workspace_bytes=0).items()[:2]
        (('row block', 7), ('column block', 56))
        """
        return tuple(
            (field.name.replace("_", " ").replace(" in l", " in L"), getattr(self, field.name))
            for field in fields(self)
        )


def tasks_wanted(problem: ConvProblem, threads: int, min_macs_per_task: int) -> int:
    """Return the number of tasks to divide a problem into, at least 1.

    min_macs_per_task: fewer multiply-adds are not worth a task.
    """
    return max(1, min(TASKS_PER_THREAD * threads, problem.macs // min_macs_per_task))


def round_up(number: int, multiple: int) -> int:
    """Round an integer up to a multiple.

    >>> round_up(13, 8), round_up(16, 8)
    (16, 16)
    """
    return -(-number // multiple) * multiple
