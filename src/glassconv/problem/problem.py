"""Problem: a convolution or a transposed convolution, and either from shorthand."""

from __future__ import annotations

from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse, read
from glassconv.problem.transposed import TransposedProblem, parse_transposed

Problem = ConvProblem | TransposedProblem


def parse_problem(text: str) -> Problem:
    """Return the problem that a shorthand describes; the word `transposed` says of which kind.

    Raises `ShorthandError` as `parse` does.

    >>> type(parse_problem("8x4x4 3@2x2 s2 transposed")).__name__
    'TransposedProblem'
    """
    return parse_transposed(text) if read(text).transposed else parse(text)


def equal_convolution(problem: Problem) -> ConvProblem:
    """Return the convolution that computes a problem: itself, or that of a transposed one."""
    return problem if isinstance(problem, ConvProblem) else problem.convolution
