"""Compare every kernel with the definition on many random problems, within its algorithm's bound.

    PYTHONPATH=tests python -m support.random_kernels 10000

prints a table. Each trial has a random problem, memory layout, kind of operands and cache size, and
every buffer is beside a guard page. Trial number i is drawn with seed i.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from random import Random

from glassconv.algorithms import named
from glassconv.codegen.openmp import threads
from glassconv.kernels import KERNELS, Kernel
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import layout_of
from glassconv.problem.operands import Operands, to_numpy
from glassconv.reports.verification import Verification
from glassconv.verification.stress_inputs import STRESS_INPUTS
from glassconv.verification.verify import judge
from support.compile_function import this_machine
from support.guard_pages import SIDES, call_guarded
from support.memory_layouts import LAYOUTS
from support.random_problems import LARGE, random_problem

CACHES = (None, None, 2**12, 2**15)  # bytes: small ones make many blocks of a small problem


@dataclass(frozen=True)
class Trial:
    """A problem, its operands' kind and memory layout, and how the kernel is run."""

    problem: ConvProblem
    kind: str  # of the operands
    layout: str  # of the input
    side: str  # of each buffer, where the guard page is
    l2: int | None  # bytes that the kernel is compiled for; None: this machine's
    team: int  # threads

    def operands(self) -> Operands:
        made = STRESS_INPUTS[self.kind].make(self.problem, 0)
        return Operands(LAYOUTS[self.layout](made.input), made.weight, made.bias)

    def of(self, kernel: Kernel) -> Verification | None:
        """Return the verification of a kernel, None where it does not support the trial."""
        operands = self.operands()
        lies = layout_of(operands.input)
        if lies is None or not kernel.supports(self.problem, lies.name):
            return None
        target = this_machine() if self.l2 is None else this_machine(l2=self.l2)
        plan = kernel.plan_for(self.problem, lies, target, threads())
        output = call_guarded(plan, operands, self.side, self.team)
        bound = named(kernel.name).error_bound(self.problem)
        return judge(self.problem, kernel.name, to_numpy(output), operands, bound)


def draw(chance: Random) -> Trial:
    """Return a random trial."""
    return Trial(
        problem=random_problem(chance, LARGE),
        kind=chance.choice(tuple(STRESS_INPUTS)),
        layout=chance.choice(tuple(LAYOUTS)),
        side=chance.choice(SIDES),
        l2=chance.choice(CACHES),
        team=chance.choice((1, 1, 1, 2)),
    )


def main(trials: int) -> None:
    """Print how many trials each kernel took, its worst share of the bound, and what fails."""
    taken: Counter[str] = Counter()
    worst: Counter[str] = Counter()
    for number in range(trials):
        trial = draw(Random(number))
        for kernel in KERNELS.values():
            found = trial.of(kernel)
            if found is None:
                continue
            taken[kernel.name] += 1
            worst[kernel.name] = max(worst[kernel.name], found.share)  # type: ignore[assignment]
            if not found.verdict:
                sys.stdout.write(f"{number}: {kernel.name}: {trial}: {found.verdict.reason}\n")
    for name, count in taken.items():
        sys.stdout.write(f"| `{name}` | {count:,} | {worst[name]:.1%} |\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
