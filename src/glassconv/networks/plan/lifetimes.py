"""Lifetimes: from which step to which one the memory of a plan is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from glassconv.networks.plan.places import Root
from glassconv.networks.plan.steps import PlanStep, PyTorchStep


@dataclass(frozen=True)
class Lifetime:
    """The steps that first and last use a root, both by number."""

    first: int
    last: float  # inf: the network returns it


def lifetimes(steps: Iterable[PlanStep], returned: Iterable[int]) -> Mapping[int, Lifetime]:
    """Return how long each root is needed; `returned` are those that the network returns."""
    found: dict[int, Lifetime] = {}
    for number, step in enumerate(steps):
        for root in (*step.writes, *step.reads):
            first = found[root].first if root in found else number
            found[root] = Lifetime(first, number)
    return found | {root: Lifetime(found[root].first, inf) for root in returned if root in found}


def bytes_by_pytorch(
    steps: Iterable[PlanStep], roots: Iterable[Root], needed: Mapping[int, Lifetime]
) -> int:
    """Return the most bytes that PyTorch's operations have allocated at once.

    They are the results that are needed later, and what an operation allocates while it runs.
    """
    results = [(each.bytes, needed[each.number]) for each in roots if each.memory == "result"]
    return max(
        (
            step.allocated_bytes
            + sum(size for size, life in results if life.first < number <= life.last)
            for number, step in enumerate(steps)
            if isinstance(step, PyTorchStep)
        ),
        default=0,
    )
