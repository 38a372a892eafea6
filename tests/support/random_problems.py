"""Hold every algorithm to its bound on many random problems, random and hard operands in turn.

    python tests/support/random_problems.py 10000

prints the table that docs/verification.md keeps. Problem number i of an algorithm is the same
whenever it is drawn, so a failure is named by its number.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice

from glassconv.algorithms import ALGORITHMS, Algorithm
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import FORMATS
from glassconv.reports.verification import Verification
from glassconv.verification.stress_inputs import STRESS_INPUTS
from glassconv.verification.verify import verify_each

KINDS = ("any", "any", "plain", "plain", "pointwise", "depthwise")


@dataclass
class Tally:
    """What was found of one algorithm."""

    algorithm: str
    problems: int = 0
    outputs: int = 0
    unbounded: int = 0
    worst: float = 0.0
    failures: list[str] = field(default_factory=list)

    def add(self, number: int, kind: str, found: Verification) -> None:
        self.problems += 1
        self.outputs += found.elements
        self.unbounded += found.unbounded
        self.worst = max(self.worst, found.share)
        if not found.verdict:
            self.failures.append(f"{number}: {found.problem} ({kind}): {found.verdict.reason}")


def tally(algorithm: Algorithm, problems: int) -> Tally:
    """Return how an algorithm does on its first so many random problems."""
    made = Tally(algorithm.name)
    kinds = list(STRESS_INPUTS)
    for number, problem in enumerate(islice(problems_for(algorithm), problems)):
        kind = kinds[number % len(kinds)]
        operands = STRESS_INPUTS[kind].make(problem, number)
        made.add(number, kind, next(verify_each(problem, [algorithm.name], operands)))
    return made


def problems_for(algorithm: Algorithm) -> Iterator[ConvProblem]:
    """Yield the random problems that an algorithm supports, the same ones each time."""
    for seed in count():
        problem = draw(random.Random(seed))
        if algorithm.supports(problem):
            yield problem


def draw(chance: random.Random) -> ConvProblem:
    """Return a random problem: one to three axes, every argument in play, sizes that do not fit."""
    kind, ndim, groups = (
        chance.choice(KINDS),
        chance.choice((1, 2, 2, 2, 3)),
        chance.choice((1, 1, 2, 3)),
    )
    plain = kind == "plain"

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(chance.randint(low, high) for _ in range(ndim))

    kernel = each(1, 1) if kind == "pointwise" else each(1, 7 if ndim < 3 else 4)
    dilation = each(1, 1) if plain else each(1, 3)
    stride = each(1, 1) if plain else each(1, 4)
    padding = tuple((chance.randint(0, 4), chance.randint(0, 4)) for _ in range(ndim))
    least = [max(1, d * (k - 1) + 1 - sum(p))
             for d, k, p in zip(dilation, kernel, padding, strict=True)]  # fmt: skip
    size = tuple(n + chance.randint(0, 24 if ndim == 1 else 9 if ndim == 2 else 4) for n in least)
    return ConvProblem(
        batch=chance.choice((0, 1, 1, 1, 2, 3)),
        in_channels=groups * (1 if kind == "depthwise" else chance.choice((1, 2, 3, 8, 17))),
        out_channels=groups * chance.choice((1, 2, 3, 5)),
        input_size=size,
        kernel_size=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=chance.random() < 0.5,
        dtype=chance.choice(tuple(FORMATS)),
    )


HEADINGS = ("algorithm", "problems", "outputs", "promised nothing", "over the bound", "worst share")


def row(found: Tally) -> tuple[str, ...]:
    """Return a line of the table, in the order of its headings."""
    return (
        f"`{found.algorithm}`",
        f"{found.problems:,}",
        f"{found.outputs:,}",
        f"{found.unbounded:,}",
        str(len(found.failures)),
        f"{found.worst:.1%}",
    )


def main(problems: int) -> None:
    """Print the table, and what fails."""
    for cells in (HEADINGS, ("---", *("---:" for _ in HEADINGS[1:]))):
        sys.stdout.write(f"| {' | '.join(cells)} |\n")
    for algorithm in ALGORITHMS.values():
        found = tally(algorithm, problems)
        sys.stdout.write(f"| {' | '.join(row(found))} |\n")
        sys.stdout.flush()
        sys.stderr.write("".join(f"{failure}\n" for failure in found.failures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
