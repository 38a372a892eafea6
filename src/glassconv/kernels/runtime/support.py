"""What no kernel supports, with its reason: more axes than two, and other element types."""

from __future__ import annotations

from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.problem import ConvProblem
from glassconv.reports.verdict import Verdict


def supports_common(problem: ConvProblem) -> Verdict:
    """Return whether a problem has one or two spatial axes and elements that kernels compute in.

    >>> from glassconv.problem.shorthand import parse
    >>> supports_common(parse("3x8x8 4@3x3 float16")).reason
    'the kernel computes in float32 or float64, not float16'
    """
    if problem.ndim == 3:
        return Verdict(False, "the kernel has one or two spatial axes, this has 3")
    if problem.dtype not in ELEMENT_BYTES:
        types = " or ".join(ELEMENT_BYTES)
        return Verdict(False, f"the kernel computes in {types}, not {problem.dtype}")
    return Verdict(True, "")
