"""Compare every algorithm with the definition on many random problems, within its bound.

    PYTHONPATH=tests python -m support.bound_table 10000

prints the table that docs/verification.md records. The kinds of operands are taken in turn. The
operands of an algorithm's problem number i are drawn with seed i: its number names a failure.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import islice

from glassconv.algorithms import ALGORITHMS, Algorithm
from glassconv.reports.verification import Verification
from glassconv.verification.stress_inputs import STRESS_INPUTS
from glassconv.verification.verify import verify_each
from support.random_problems import problems_for


@dataclass
class Tally:
    """The results of one algorithm."""

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
    """Return the results of an algorithm on the first random problems that it supports."""
    results = Tally(algorithm.name)
    kinds = list(STRESS_INPUTS)
    for number, problem in enumerate(islice(problems_for(algorithm), problems)):
        kind = kinds[number % len(kinds)]
        operands = STRESS_INPUTS[kind].make(problem, number)
        results.add(number, kind, next(verify_each(problem, [algorithm.name], operands)))
    return results


HEADINGS = ("algorithm", "problems", "outputs", "unbounded", "over the bound", "worst share")


def row(found: Tally) -> tuple[str, ...]:
    """Return a row of the table, in the order of the headings."""
    return (
        f"`{found.algorithm}`",
        f"{found.problems:,}",
        f"{found.outputs:,}",
        f"{found.unbounded:,}",
        str(len(found.failures)),
        f"{found.worst:.1%}",
    )


def main(problems: int) -> None:
    """Print the table, and each failure on standard error."""
    for cells in (HEADINGS, ("---", *("---:" for _ in HEADINGS[1:]))):
        sys.stdout.write(f"| {' | '.join(cells)} |\n")
    for algorithm in ALGORITHMS.values():
        found = tally(algorithm, problems)
        sys.stdout.write(f"| {' | '.join(row(found))} |\n")
        sys.stdout.flush()
        sys.stderr.write("".join(f"{failure}\n" for failure in found.failures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
