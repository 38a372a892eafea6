"""Hold every kernel to its algorithm's bound on many random problems.

    python tests/support/random_kernels.py 10000

prints a table. Each trial has a random problem, layout, kind of operands and size of cache, and
every buffer lies beside a closed page. Trial number i is the same whenever it is drawn.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import dataclass

from glassconv.algorithms import named
from glassconv.codegen.parallel import threads
from glassconv.kernels import KERNELS, Kernel
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import layout_of
from glassconv.problem.operands import Operands, to_numpy
from glassconv.reports.verification import Verification
from glassconv.verification.stress_inputs import STRESS_INPUTS
from glassconv.verification.verify import judge
from support.guarded import SIDES, call_guarded
from support.layouts import LAYOUTS
from support.written import this_machine

KINDS = ("any", "any", "plain", "three", "three", "pointwise", "depthwise", "pixel")
MOST_MACS = 200_000  # that the definition still computes at once
CACHES = (None, None, 2**12, 2**15)  # bytes: small ones make many blocks of a small problem


@dataclass(frozen=True)
class Trial:
    """A problem, and how its operands are made and lie."""

    problem: ConvProblem
    kind: str  # of the operands
    layout: str  # of the input
    side: str
    l2: int | None
    team: int

    def operands(self) -> Operands:
        made = STRESS_INPUTS[self.kind].make(self.problem, 0)
        return Operands(LAYOUTS[self.layout](made.input), made.weight, made.bias)

    def of(self, kernel: Kernel) -> Verification | None:
        """Return how a kernel does, None where it does not support it."""
        operands = self.operands()
        lies = layout_of(operands.input)
        if lies is None or not kernel.supports(self.problem, lies.name):
            return None
        target = this_machine() if self.l2 is None else this_machine(l2=self.l2)
        plan = kernel.plan_for(self.problem, lies, target, threads())
        output = call_guarded(plan, operands, self.side, self.team)
        bound = named(kernel.name).error_bound(self.problem)
        return judge(self.problem, kernel.name, to_numpy(output), operands, bound)


def draw(chance: random.Random) -> Trial:
    """Return a random trial."""
    return Trial(
        problem=draw_problem(chance),
        kind=chance.choice(tuple(STRESS_INPUTS)),
        layout=chance.choice(tuple(LAYOUTS)),
        side=chance.choice(SIDES),
        l2=chance.choice(CACHES),
        team=chance.choice((1, 1, 1, 2)),
    )


def draw_problem(chance: random.Random) -> ConvProblem:
    """Return a problem with every argument in play and sizes that do not fit."""
    kind, ndim = chance.choice(KINDS), chance.choice((1, 2, 2, 2))
    groups = chance.choice((1, 1, 2, 3)) if kind != "depthwise" else chance.choice((1, 2, 9, 20))
    simple = kind in ("plain", "three")

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(chance.randint(low, high) for _ in range(ndim))

    kernel = {"pointwise": (1, 1), "pixel": (1, 1), "three": (3, 3)}.get(kind, (1, 7))
    kernel_size, dilation = each(*kernel), each(1, 1) if simple else each(1, 3)
    most = 0 if kind == "pixel" else 4
    padding = tuple((chance.randint(0, most), chance.randint(0, most)) for _ in range(ndim))
    least = [max(1, d * (k - 1) + 1 - sum(p))
             for d, k, p in zip(dilation, kernel_size, padding, strict=True)]  # fmt: skip
    more = [chance.choice((0, 3, 9, 40)) for _ in range(ndim - 1)] + [chance.choice((0, 9, 25, 40))]
    more = [0] * ndim if kind == "pixel" else more
    size = tuple(n + chance.randint(0, most) for n, most in zip(least, more, strict=True))
    channels = 1 if kind == "depthwise" else chance.choice((1, 2, 3, 8, 17, 40))

    def made(channels: int, filters: int) -> ConvProblem:
        return ConvProblem(
            batch=batch,
            in_channels=groups * channels,
            out_channels=groups * filters,
            input_size=size,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            dtype=dtype,
        )

    batch, stride = chance.choice((0, 1, 1, 1, 2, 3)), each(1, 1) if simple else each(1, 4)
    bias, dtype = chance.random() < 0.5, chance.choice(("float32", "float64"))
    whole = made(channels, chance.choice((1, 2, 3, 5, 8, 17, 33)))
    return whole if whole.macs <= MOST_MACS else made(min(channels, 3), 2)


def main(trials: int) -> None:
    """Print how many trials each kernel took, its worst share of the bound, and what fails."""
    taken: Counter[str] = Counter()
    worst: Counter[str] = Counter()
    for number in range(trials):
        trial = draw(random.Random(number))
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
