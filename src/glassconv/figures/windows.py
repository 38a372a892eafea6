"""Figures of what one output reads, and of where gradients come from."""

from __future__ import annotations

from math import prod

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from glassconv.data import photograph
from glassconv.errors import UnsupportedError
from glassconv.examples.sample_operands import whole_gradient
from glassconv.figures.matrices import check_planes
from glassconv.figures.request import Request
from glassconv.problem.gradients import input_gradient
from glassconv.problem.stack import Stack, parse_stack
from glassconv.reports.array import Array
from glassconv.tracing.backward import backward
from glassconv.views.figures import backward as both_gradients
from glassconv.views.figures import (
    output_size,
    receptive_field,
    receptive_field_stack,
    toeplitz,
    window,
)
from glassconv.views.figures.theme import Theme

MOST_TOEPLITZ = 400  # rows or columns of a Toeplitz matrix
MOST_GRADIENT_CELLS = 40  # per side of the operands of a gradient
MOST_PHOTOGRAPH = 512  # pixels per side of an image
MOST_PLACES = 40  # of an axis whose windows are drawn
MOST_SEQUENCE = 128  # elements of a sequence
MOST_LAYERS = 24  # of a stack


def draw_window(request: Request) -> Figure:
    """Draw one output and what it reads."""
    check_planes("window", request)
    row, column = ((size - 1) // 2 for size in request.problem.output_size)
    chosen = 0, row, column
    return window.draw(request.trace("im2col"), chosen, request.subject, request.theme)


def draw_output_size(request: Request) -> Figure:
    """Draw every window of the first axis, and the formula of the output size."""
    axes = request.problem.as_2d().axes[2 - request.asked.ndim :]
    if axes[0].padded_size > MOST_PLACES:
        raise request.refusal(
            f"output-size is legible up to {MOST_PLACES} padded pixels; "
            f"this has {axes[0].padded_size}"
        )
    name = "" if len(axes) == 1 else "both axes: " if axes[0] == axes[1] else "height: "
    return output_size.draw(axes[0], name, request.theme)


def draw_toeplitz(request: Request) -> Figure:
    """Draw the convolution as one matrix."""
    problem = request.problem
    outputs, pixels = problem.gemm.m * prod(problem.output_size), prod(problem.input_size)
    pixels *= problem.weight_shape[1]
    if max(outputs, pixels) > MOST_TOEPLITZ:
        raise request.refusal(
            f"toeplitz is legible up to {MOST_TOEPLITZ} rows and columns of the matrix; "
            f"this has {outputs} and {pixels}"
        )
    rows, columns = problem.output_size
    middle = rows // 2 * columns + columns // 2
    return toeplitz.draw(request.trace("toeplitz"), middle, request.subject, request.theme)


def draw_backward(request: Request) -> Figure:
    """Draw both gradients."""
    problem = request.problem
    drawn = (*problem.axes, *input_gradient(problem).convolution.axes)
    cells = max(axis.padded_size for axis in drawn)
    if cells > MOST_GRADIENT_CELLS:
        raise request.refusal(
            f"backward is legible up to {MOST_GRADIENT_CELLS} cells per side, with padding and "
            f"inserted zeros; this has {cells}"
        )
    gradient = whole_gradient(problem)
    both = backward(problem, "im2col", request.operands, gradient)
    return both_gradients.draw(both, request.subject, request.theme)


def draw_receptive_field(request: Request) -> Figure:
    """Draw which pixels of a photograph one output reads; of a sequence, which elements."""
    if request.asked.ndim == 1 or request.subject.is_transposed:
        return draw_stack(parse_stack(str(request.asked)), request.theme)
    problem = request.problem
    pixels = max(axis.padded_size for axis in problem.axes)
    if pixels > MOST_PHOTOGRAPH:
        raise request.refusal(
            f"receptive-field is legible up to {MOST_PHOTOGRAPH} padded pixels per side; "
            f"this has {pixels}"
        )
    pixels_of, source = _photograph(problem.input_size)
    return receptive_field.draw(problem, pixels_of, source, request.theme)


def draw_stack(stack: Stack, theme: Theme) -> Figure:
    """Draw how the receptive field grows through a stack of layers.

    Raises `UnsupportedError` for too many layers or positions, and for three spatial axes.
    """
    longest = max(max(layer.output_shape[2:]) for layer in stack.layers)
    longest = max(longest, *stack.input_shape[2:])
    most = MOST_SEQUENCE if stack.ndim == 1 else MOST_PHOTOGRAPH
    if stack.ndim == 3:
        cause = "receptive-field needs a 1-D or 2-D stack; this one is 3-D"
    elif len(stack.layers) > MOST_LAYERS:
        cause = (
            f"receptive-field is legible up to {MOST_LAYERS} layers; this has {len(stack.layers)}"
        )
    elif longest > most:
        cause = f"receptive-field is legible up to {most} positions per axis; this has {longest}"
    else:
        size = stack.input_shape[2:]
        pixels, source = (None, "") if stack.ndim == 1 else _photograph(size)
        return receptive_field_stack.draw(stack, pixels, source, theme)
    raise UnsupportedError(cause, request=str(stack))


def _photograph(size: tuple[int, ...]) -> tuple[Array, str]:
    """Return a photograph [*size, 3] and where it is from."""
    chelsea = photograph.chelsea()
    height, width = size
    resized = Image.fromarray(chelsea.pixels).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized), chelsea.source
