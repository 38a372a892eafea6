"""How errors and their bounds grow as an output sums more channels: measured, not modelled."""

from __future__ import annotations

from dataclasses import replace

from glassconv.dispatch.select import choose
from glassconv.problem import ConvProblem
from glassconv.problem.operands import random_operands
from glassconv.reports.verification import ErrorCurve, ErrorCurves, Verification
from glassconv.verification.verify import verify_each

CHANNELS = tuple(2**power for power in range(10))  # of a group: 1 to 512


def error_curves(problem: ConvProblem) -> ErrorCurves:
    """Return worst error, rms error and bound of a problem with 1 to 512 channels in each group.

    Random operands whose outputs are of size 1, whatever the channels. Only algorithms that can
    compute them all are followed.

    >>> from glassconv import parse
    >>> found = error_curves(parse("1x6x6 2@3x3"))
    >>> found.products
    (9, 18, 36, 72, 144, 288, 576, 1152, 2304, 4608)
    """
    problems = [replace(problem, in_channels=each * problem.groups) for each in CHANNELS]
    able = set.intersection(*map(_able, problems))
    names = [candidate.name for candidate in choose(problem).candidates if candidate.name in able]
    found = [list(verify_each(each, names, random_operands(each))) for each in problems]
    return ErrorCurves(
        problem=problem,
        products=tuple(each.taps_per_output for each in problems),
        curves=tuple(map(_curve, zip(*found, strict=True))),
    )


def _able(problem: ConvProblem) -> set[str]:
    candidates = choose(problem, accuracy="any").candidates
    return {each.name for each in candidates if each.verdict}


def _curve(found: tuple[Verification, ...]) -> ErrorCurve:
    return ErrorCurve(
        algorithm=found[0].candidate,
        worst=tuple(each.max_error for each in found),
        rms=tuple(each.rms_error for each in found),
        bound=tuple(each.worst.bound if each.worst else 0.0 for each in found),
        share=tuple(each.share for each in found),
    )
