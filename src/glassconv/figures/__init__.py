"""Figures of a convolution by name; the modules here make the reports that `views` draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from glassconv.problem.problem import Problem


def figure(
    kind: str,
    problem: Problem | str | Sequence[str] | None = None,
    *,
    style: str = "dark",
    input: Any = None,
    weight: Any = None,
    bias: Any = None,
    random: bool = False,
    seed: int = 0,
) -> Figure:
    """Return a figure of a convolution, to be shown in a notebook or saved with `savefig`.

    Numbers are small whole ones, unless operands are given or `random` is set.

    kind: one of `glassconv.figures.kinds.KINDS`, such as "matrix-product".
    problem: a problem or its shorthand, with one or two spatial axes, also a transposed one; by
        default the kind's example. "receptive-field" also draws a stack of layers, such as
        ["3x32x32 8@3x3 p1", "relu", "maxpool 2", "16@3x3 s2"].
    style: "dark" or "light".
    input: an array [batch, in_channels, *input_size], or without the batch axis; image 0 is drawn.
    weight: an array [out_channels, in_channels / groups, *kernel_size], of a transposed problem
        [in_channels, out_channels / groups, *kernel_size].
    bias: an array [out_channels].
    random: whether operands that are not given are normal random numbers, drawn from `seed`.

    Raises `UnknownNameError` for an unknown kind or style, `UnsupportedError` for a problem that
    the kind does not draw, `ShorthandError` as `parse` does, and `ShapeError` for operands of
    other shapes than the problem's.

    >>> import glassconv
    >>> drawn = glassconv.figure("im2col", "1x6 1@3", style="light")
    >>> drawn.savefig("im2col.png")  # doctest: +SKIP
    """
    from glassconv.figures.kinds import draw  # matplotlib is loaded where a figure is drawn

    given = {"input": input, "weight": weight, "bias": bias}
    return draw(kind, problem, style, given, random, seed)
