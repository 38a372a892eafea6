"""What all kernels require: one or two spatial axes, and float32 or float64."""

from __future__ import annotations

from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.problem import ConvProblem
from glassconv.reports.verdict import Verdict


def supports_common(problem: ConvProblem) -> Verdict:
    """Return whether a problem has one or two spatial axes and a supported element type.

    >>> from glassconv.problem.shorthand import parse
    >>> supports_common(parse("3x8x8 4@3x3 float16")).reason
    'requires float32 or float64, got float16'
    """
    if problem.ndim == 3:
        return Verdict(False, "only 1D and 2D convolutions are supported, got 3D")
    if problem.dtype not in ELEMENT_BYTES:
        types = " or ".join(ELEMENT_BYTES)
        return Verdict(False, f"requires {types}, got {problem.dtype}")
    return Verdict(True, "")
