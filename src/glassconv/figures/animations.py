"""The animation of a window that slides over small whole numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import torch
from PIL import Image

from glassconv.errors import UnsupportedError
from glassconv.examples.sample_operands import whole_numbers
from glassconv.figures.matrices import MOST_PIXELS
from glassconv.problem import ConvProblem
from glassconv.problem.operands import to_numpy
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.tracing.forward import trace
from glassconv.views.figures import animation as sliding
from glassconv.views.figures.slide import Slide
from glassconv.views.figures.theme import Theme

ANIMATED = "1x5x5 1@3x3 s2 p1"  # the default problem of animate
MOST_POSITIONS, MOST_ANIMATED_ROWS = 400, 64  # of an animation: columns and rows of its matrix


def animation(problem: Problem, theme: Theme) -> Iterator[Image.Image]:
    """Yield the frames of a window sliding over small whole numbers; the last is whole.

    A transposed convolution is drawn as the convolution of its zero-inserted input.

    Raises `UnsupportedError` for a problem with too many positions or too large planes.
    """
    return sliding.frames(slide_of(problem), theme)


def slide_of(problem: Problem) -> Slide:
    """Return what is animated of a problem; raises `UnsupportedError` as `animation` does."""
    if isinstance(problem, TransposedProblem):
        return _transposed_slide(problem)
    _check_animation(problem, problem.output_size, str(problem))
    plane = problem.as_2d()
    subtitle = f"{problem}{', drawn as one row' if problem.ndim == 1 else ''}"
    return Slide(trace(plane, "im2col", whole_numbers(plane)), subtitle, problem.ndim)


def _transposed_slide(problem: TransposedProblem) -> Slide:
    request = f"{problem.convolution}, which is the transposed convolution"
    _check_animation(problem.convolution, problem.output_size, request)
    plane = problem.as_2d()
    convolution = plane.convolution
    operands = whole_numbers(convolution)
    inserted = plane.insert_zeros(torch.ones(plane.input_shape))[0, 0] == 0
    traced = trace(convolution, "im2col", replace(operands, input=operands.input * ~inserted))
    starts = [
        max(0, before - axis.extent + 1)
        for (before, _), axis in zip(plane.padding, convolution.axes, strict=True)
    ]
    rows, columns = (
        range(start, start + size) for start, size in zip(starts, plane.output_size, strict=True)
    )
    is_cropped = plane.output_size != convolution.output_size
    return Slide(
        traced,
        _describe_transposed(problem),
        problem.ndim,
        to_numpy(inserted),
        (rows, columns) if is_cropped else None,
    )


def _describe_transposed(problem: TransposedProblem) -> str:
    """Return the subtitle of a transposed problem, with the convolution that computes it."""
    stride, padding = (
        "×".join(map(str, sizes if len(set(sizes)) > 1 else sizes[:1]))
        for sizes in (problem.stride, [before for before, _ in problem.padding])
    )
    input = "input" if set(problem.stride) == {1} else "zero-inserted input"
    text = (
        f"stride {stride}, padding {padding}: the convolution {problem.convolution} of its {input}"
    )
    return text + (", drawn as one row" if problem.ndim == 1 else "")


def _check_animation(problem: ConvProblem, output_size: tuple[int, ...], request: str) -> None:
    """Raise an error for 3D problems, empty batches, large planes and too many positions."""
    if problem.ndim > 2 or problem.batch == 0:
        cause = "animate draws one or two spatial axes and a batch that is not empty"
        raise UnsupportedError(cause, request=request)
    _check_planes(problem)
    positions, rows = prod(output_size), problem.taps_per_output
    if positions > MOST_POSITIONS or rows > MOST_ANIMATED_ROWS:
        raise UnsupportedError(
            f"animate is legible up to {MOST_POSITIONS} positions and {MOST_ANIMATED_ROWS} rows of "
            f"a group's matrix; this has {positions} and {rows}",
            request=request,
        )


def _check_planes(problem: ConvProblem) -> None:
    """Raise an error for planes whose cells would be too small."""
    longest = max(axis.padded_size for axis in problem.axes)
    if longest > MOST_PIXELS:
        raise UnsupportedError(
            f"animate is legible up to {MOST_PIXELS} padded pixels per side; this has {longest}",
            request=str(problem),
        )
