"""Every kind of figure by name: the report it draws, and the problems it supports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from glassconv.algorithms import named, winograd2
from glassconv.algorithms.parts.winograd import transforms_of
from glassconv.data import photograph
from glassconv.errors import UnsupportedError, unknown_name
from glassconv.examples.sample_operands import blurred_photograph, whole_gradient, whole_numbers
from glassconv.examples.tutorial import walk, worked_example
from glassconv.explanation.facts import derive
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import input_gradient
from glassconv.problem.operands import random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.worked_example import Tutorial
from glassconv.tracing.backward import backward
from glassconv.tracing.forward import trace
from glassconv.verification.error_curves import error_curves
from glassconv.verification.verify import compare
from glassconv.views import notation
from glassconv.views.figures import animation as sliding
from glassconv.views.figures import backward as both_gradients
from glassconv.views.figures import (
    comparison,
    cost,
    error_bound,
    image,
    kn2row,
    lowering,
    matrix_product,
    receptive_field,
    toeplitz,
    window,
)
from glassconv.views.figures import fft as spectra
from glassconv.views.figures import winograd as one_tile
from glassconv.views.figures import worked_example as by_hand
from glassconv.views.figures.slide import Slide
from glassconv.views.figures.style import Theme

ANIMATED = "1x5x5 1@3x3 s2 p1"  # the default problem of animate
MOST_CELLS = 16  # rows or columns of a worked example
MOST_SLICES = 6  # its channels and filters
MOST_PIXELS = 64  # per side of a plane whose cells are visible
MOST_ROWS, MOST_COLUMNS = 256, 400  # of an im2col matrix
MOST_TAP_CELLS = 48  # per side, of the planes of all taps together
MOST_TOEPLITZ = 400  # rows or columns of a Toeplitz matrix
MOST_GRADIENT_CELLS = 40  # per side of the operands of a gradient
MOST_PHOTOGRAPH = 512  # pixels per side of an image, or of its spectrum
MOST_SPECTRA = 10**9  # bytes of all planes and spectra; a figure shows eight of them
MOST_POSITIONS, MOST_ANIMATED_ROWS = 400, 64  # of an animation: columns and rows of its matrix
MOST_OUTPUTS = 20_000  # of an error-bound figure


def tutorial_figures(facts: Tutorial, theme: Theme) -> Mapping[str, Figure]:
    """Return the four figures of the demo by kind."""
    return MappingProxyType(
        {
            "image": image.draw(facts.picture, facts.layer.input[0], facts.source, theme),
            "worked-example": by_hand.draw(facts.worked, theme),
            "matrix-product": matrix_product.draw(facts.four_filters, theme),
            "comparison": comparison.draw(
                facts.conv2d, facts.layer.output, facts.difference, theme
            ),
        }
    )


@dataclass(frozen=True)
class Kind:
    """How one kind of figure is drawn, and its default problem."""

    draw: Callable[[ConvProblem, Theme], Figure]
    default: str | None = None  # in shorthand; None if the tutorial draws this kind


def draw_figure(kind: str, problem: ConvProblem | None, theme: Theme) -> Figure:
    """Return a figure of one kind, for a problem or for the default problem of the kind.

    Raises `UnknownNameError` for an unknown kind and `UnsupportedError` for a problem that the kind
    does not support.
    """
    if kind not in KINDS:
        raise unknown_name("figure", kind, KINDS, also="animate")
    if problem is None:
        default = KINDS[kind].default
        if default is None:
            chelsea = photograph.chelsea()
            return tutorial_figures(walk(chelsea.pixels, chelsea.source), theme)[kind]
        problem = parse(default)
    if problem.ndim != 2 or problem.batch == 0:
        cause = f"{kind} needs two spatial axes and a batch that is not empty"
        raise UnsupportedError(cause, request=str(problem))
    return KINDS[kind].draw(problem, theme)


def animation(problem: ConvProblem, theme: Theme) -> Iterator[Image.Image]:
    """Yield the frames of a window sliding over small integers; the last shows the whole matrix.

    Raises `UnsupportedError` for a problem with too many positions or too large planes.
    """
    _check_animation(problem, problem.output_size, str(problem))
    plane = problem.as_2d()
    subtitle = f"{problem}{', drawn as one row' if problem.ndim == 1 else ''}"
    traced = trace(plane, "im2col", whole_numbers(plane))
    return sliding.frames(Slide(traced, subtitle, problem.ndim), theme)


def transposed_animation(problem: TransposedProblem, theme: Theme) -> Iterator[Image.Image]:
    """Yield the frames of a transposed convolution: a convolution of the zero-inserted input.

    Raises `UnsupportedError` as `animation` does.
    """
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
    slide = Slide(
        traced,
        _describe_transposed(problem),
        problem.ndim,
        to_numpy(inserted),
        (rows, columns) if is_cropped else None,
    )
    return sliding.frames(slide, theme)


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
    _check_planes("animate", problem)
    positions, rows = prod(output_size), problem.taps_per_output
    if positions > MOST_POSITIONS or rows > MOST_ANIMATED_ROWS:
        raise UnsupportedError(
            f"animate is legible up to {MOST_POSITIONS} positions and {MOST_ANIMATED_ROWS} rows of "
            f"a group's matrix; this has {positions} and {rows}",
            request=request,
        )


def _image(problem: ConvProblem, theme: Theme) -> Figure:
    raise UnsupportedError("image draws the tutorial's input, not a problem", request=str(problem))


def _worked_example(problem: ConvProblem, theme: Theme) -> Figure:
    cells = max(axis.padded_size for axis in problem.axes)
    slices = max(problem.in_channels, problem.out_channels)
    if cells > MOST_CELLS or slices > MOST_SLICES:
        raise UnsupportedError(
            f"a worked example is legible up to {MOST_CELLS} padded pixels per side and "
            f"{MOST_SLICES} channels and filters; this has {cells} and {slices}",
            request=str(problem),
        )
    rows, columns = problem.output_size
    return by_hand.draw(worked_example(problem, (0, rows // 2, columns // 2)), theme)


def _matrix_product(problem: ConvProblem, theme: Theme) -> Figure:
    return matrix_product.draw(trace(problem, "im2col"), theme)


def _comparison(problem: ConvProblem, theme: Theme) -> Figure:
    operands = random_operands(problem)
    aten, im2col = (trace(problem, name, operands) for name in ("aten", "im2col"))
    bound = named("im2col").error_bound(problem)
    first, second = ("PyTorch", aten.output, bound), ("im2col", im2col.output, bound)
    difference = compare(problem, operands, first, second)
    return comparison.draw(aten.output, im2col.output, difference, theme)


def _error_bound(problem: ConvProblem, theme: Theme) -> Figure:
    if problem.macs // problem.taps_per_output > MOST_OUTPUTS:
        cause = (
            f"the curves are measured on up to {MOST_OUTPUTS:,} outputs; this has "
            f"{problem.macs // problem.taps_per_output:,}"
        )
        raise UnsupportedError(cause, request=str(problem))
    return error_bound.draw(error_curves(problem), theme)


def _cost(problem: ConvProblem, theme: Theme) -> Figure:
    return cost.draw(derive(problem), theme)


def _window(problem: ConvProblem, theme: Theme) -> Figure:
    _check_planes("window", problem)
    row, column = ((size - 1) // 2 for size in problem.output_size)
    return window.draw(trace(problem, "im2col", whole_numbers(problem)), (0, row, column), theme)


def _im2col(problem: ConvProblem, theme: Theme) -> Figure:
    _check_planes("im2col", problem)
    rows, columns = problem.gemm.k * problem.groups, prod(problem.output_size)
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise UnsupportedError(
            f"im2col is legible up to {MOST_ROWS} rows and {MOST_COLUMNS} columns of the matrix; "
            f"this has {rows} and {columns}",
            request=str(problem),
        )
    row, column = (size // 2 for size in problem.output_size)
    traced = trace(problem, "im2col", whole_numbers(problem))
    return lowering.draw(traced, (row, column), _most_copied(problem, (row, column)), theme)


def _most_copied(problem: ConvProblem, position: tuple[int, int]) -> tuple[int, int]:
    """Return the most copied pixel, the nearest to the middle of an output's window."""
    middle = [
        place * axis.stride + (axis.extent - 1) / 2 - axis.padding[0]
        for place, axis in zip(position, problem.axes, strict=True)
    ]
    copies = problem.copies()
    most = np.argwhere(copies == copies.max())
    row, column = most[np.abs(most - middle).sum(axis=1).argmin()]
    return int(row), int(column)


def _kn2row(problem: ConvProblem, theme: Theme) -> Figure:
    cells = max(problem.input_size[axis] * problem.kernel_size[axis] for axis in (0, 1))
    if cells > MOST_TAP_CELLS:
        raise UnsupportedError(
            f"kn2row is legible up to {MOST_TAP_CELLS} cells per side, kernel times input; "
            f"this has {cells}",
            request=str(problem),
        )
    rows, columns = problem.output_size
    traced = trace(problem, "kn2row", whole_numbers(problem))
    return kn2row.draw(traced, (rows // 2, columns // 2), theme)


def _toeplitz(problem: ConvProblem, theme: Theme) -> Figure:
    outputs, pixels = problem.gemm.m * prod(problem.output_size), prod(problem.input_size)
    pixels *= problem.weight_shape[1]
    if max(outputs, pixels) > MOST_TOEPLITZ:
        raise UnsupportedError(
            f"toeplitz is legible up to {MOST_TOEPLITZ} rows and columns of the matrix; "
            f"this has {outputs} and {pixels}",
            request=str(problem),
        )
    rows, columns = problem.output_size
    traced = trace(problem, "toeplitz", whole_numbers(problem))
    return toeplitz.draw(traced, rows // 2 * columns + columns // 2, theme)


def _check_planes(kind: str, problem: ConvProblem) -> None:
    """Raise an error for planes whose cells would be too small."""
    longest = max(axis.padded_size for axis in problem.axes)
    if longest > MOST_PIXELS:
        raise UnsupportedError(
            f"{kind} is legible up to {MOST_PIXELS} padded pixels per side; this has {longest}",
            request=str(problem),
        )


def _winograd(problem: ConvProblem, theme: Theme) -> Figure:
    traced = trace(problem, "winograd2", whole_numbers(problem))
    cells = max(traced["padded"].shape[2:])
    if cells > MOST_CELLS:
        raise UnsupportedError(
            f"winograd is legible up to {MOST_CELLS} pixels per side, padded to whole tiles; "
            f"this has {cells}",
            request=str(problem),
        )
    matrices = [
        {"Bᵀ": each.input, "G": each.filter, "Aᵀ": each.output}
        for each in transforms_of(problem, winograd2.OUTPUTS)
    ]
    return one_tile.draw(traced, matrices, theme)


def _fft(problem: ConvProblem, theme: Theme) -> Figure:
    pixels = max(axis.padded_size for axis in problem.axes)
    taken = named("fft").cost(problem).workspace_bytes
    if pixels > MOST_PHOTOGRAPH or taken > MOST_SPECTRA:
        raise UnsupportedError(
            f"fft is legible up to {MOST_PHOTOGRAPH} padded pixels per side and may take up to "
            f"{notation.size(MOST_SPECTRA)}; this has {pixels} and takes {notation.size(taken)}",
            request=str(problem),
        )
    if problem.in_channels not in (1, 3):
        random = "random numbers"
        return spectra.draw(trace(problem, "fft"), random, random, theme)
    operands = blurred_photograph(problem, photograph.chelsea().pixels)
    return spectra.draw(trace(problem, "fft", operands), "Chelsea the cat", "a blur", theme)


def _backward(problem: ConvProblem, theme: Theme) -> Figure:
    drawn = (*problem.axes, *input_gradient(problem).convolution.axes)
    cells = max(axis.padded_size for axis in drawn)
    if cells > MOST_GRADIENT_CELLS:
        raise UnsupportedError(
            f"backward is legible up to {MOST_GRADIENT_CELLS} cells per side, with padding and "
            f"inserted zeros; this has {cells}",
            request=str(problem),
        )
    operands, gradient = whole_numbers(problem), whole_gradient(problem)
    return both_gradients.draw(backward(problem, "im2col", operands, gradient), theme)


def _receptive_field(problem: ConvProblem, theme: Theme) -> Figure:
    pixels = max(axis.padded_size for axis in problem.axes)
    if pixels > MOST_PHOTOGRAPH:
        raise UnsupportedError(
            f"receptive-field is legible up to {MOST_PHOTOGRAPH} padded pixels per side; "
            f"this has {pixels}",
            request=str(problem),
        )
    chelsea = photograph.chelsea()
    height, width = problem.input_size
    resized = Image.fromarray(chelsea.pixels).resize((width, height), Image.Resampling.LANCZOS)
    return receptive_field.draw(problem, np.asarray(resized), chelsea.source, theme)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "image": Kind(_image),
        "window": Kind(_window, "1x8x8 1@3x3 s2 p1"),
        "im2col": Kind(_im2col, "1x6x6 1@3x3"),
        "kn2row": Kind(_kn2row, "1x6x6 1@3x3 p1"),
        "toeplitz": Kind(_toeplitz, "1x6x6 1@3x3 p1"),
        "worked-example": Kind(_worked_example),
        "matrix-product": Kind(_matrix_product),
        "comparison": Kind(_comparison),
        "error-bound": Kind(_error_bound, "1x14x14 8@3x3 p1"),
        "winograd": Kind(_winograd, "1x6x6 1@3x3"),
        "fft": Kind(_fft, "1x64x64 1@7x7 p3"),
        "backward": Kind(_backward, "1x5x5 1@3x3 s2 p1"),
        "receptive-field": Kind(_receptive_field, "3x96x96 8@5x5 s3 d4"),
        "cost": Kind(_cost, "64x56x56 64@3x3 p1"),
    }
)
