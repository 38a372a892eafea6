"""Verify aten on every kind of stress input; run in a process of its own for each instruction set.

Writes how many verifications passed; fails with the first that did not.
"""

from __future__ import annotations

import random
import sys

import torch

from glassconv.problem.problem import Problem, parse_problem
from glassconv.verification.stress_inputs import run_stress_inputs
from support.random_problems import random_problem

PROBLEMS = (
    "1x1 1@1",
    "1x9x6 15@3x3 s2 p3 nobias",
    "3x9x6 15@3x3 s2 p3 g3 nobias",
    "3x8x8 4@3x3 p1",
    "32x7x7 32@3x3 p1",
    "16x9 16@5 p2",
    "8x4x5x6 8@2x2x2",
    "8x6x6 8@3x3 s2 p1 g8 transposed o1",
)
RANDOM = 15


def problems() -> list[Problem]:
    """Return fixed problems in every element type, and random ones."""
    fixed = [
        parse_problem(f"{text} {dtype}")
        for text in PROBLEMS
        for dtype in ("float16", "bfloat16", "float32", "float64")
    ]
    return [*fixed, *(random_problem(random.Random(seed)) for seed in range(RANDOM))]


def main() -> int:
    """Return how many verifications passed."""
    torch.set_num_threads(1)
    count = 0
    for problem in problems():
        for kind, found in run_stress_inputs(problem, ["aten"]):
            if not found.verdict:
                sys.exit(f"{problem}, {kind}: {found.verdict.reason}")
            count += 1
    return count


if __name__ == "__main__":
    sys.stdout.write(f"{main()}\n")
