"""Names for the axes of the arrays that algorithms make."""

from __future__ import annotations

from glassconv.problem import ConvProblem

Names = tuple[str, ...]


def sizes(problem: ConvProblem) -> Names:
    """Return a name for each spatial axis of the input."""
    return problem.axis_names


def kernel(problem: ConvProblem) -> Names:
    """Return a name for each spatial axis of the weight."""
    return tuple(f"kernel {axis}" for axis in problem.axis_names)


def outputs(problem: ConvProblem) -> Names:
    """Return a name for each spatial axis of the output."""
    return tuple(f"output {axis}" for axis in problem.axis_names)


def along(what: str, problem: ConvProblem) -> Names:
    """Return a name for each axis that counts something along a spatial axis.

    >>> from glassconv import parse
    >>> along("tiles", parse("3x8x8 4@3x3"))
    ('tiles along height', 'tiles along width')
    """
    return tuple(f"{what} along {axis}" for axis in problem.axis_names)


def output(problem: ConvProblem) -> Names:
    """Return the names of the output's axes."""
    return ("batch", "out_channels", *outputs(problem))
