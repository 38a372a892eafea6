"""Names for the axes of the arrays that algorithms make."""

from __future__ import annotations

from glassconv.problem import ConvProblem

Names = tuple[str, ...]


def sizes(problem: ConvProblem) -> Names:
    """Return a name for each spatial axis of the input."""
    return tuple(f"size {axis}" for axis in range(problem.ndim))


def kernel(problem: ConvProblem) -> Names:
    """Return a name for each spatial axis of the weight."""
    return tuple(f"kernel {axis}" for axis in range(problem.ndim))


def outputs(problem: ConvProblem) -> Names:
    """Return a name for each spatial axis of the output."""
    return tuple(f"output {axis}" for axis in range(problem.ndim))


def output(problem: ConvProblem) -> Names:
    """Return the names of the output's axes."""
    return ("batch", "out_channels", *outputs(problem))
