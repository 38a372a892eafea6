"""Reports on fixed algorithms, so that no picture or page changes when an algorithm is added."""

from __future__ import annotations

from dataclasses import replace

from glassconv.explanation.facts import derive
from glassconv.problem import ConvProblem
from glassconv.reports.explanation import Explanation

COMPARED = (
    *("aten", "depthwise", "direct", "fft", "fft_overlap_add", "im2col", "implicit_gemm"),
    *("indirect", "kn2row", "mec", "pointwise", "toeplitz", "winograd2", "winograd4", "winograd6"),
)


def fixed_facts(problem: ConvProblem) -> Explanation:
    """Return what `derive` finds of these algorithms."""
    facts = derive(problem)
    algorithms = tuple(each for each in facts.algorithms if each.name in COMPARED)
    assert tuple(each.name for each in algorithms) == COMPARED
    return replace(facts, algorithms=algorithms)
