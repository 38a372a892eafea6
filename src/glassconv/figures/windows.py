"""Figures of what one output reads, and of where gradients come from."""

from __future__ import annotations

from math import prod

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from glassconv.data import photograph
from glassconv.examples.sample_operands import whole_gradient
from glassconv.figures.matrices import check_planes
from glassconv.figures.request import Request
from glassconv.problem.gradients import input_gradient
from glassconv.tracing.backward import backward
from glassconv.views.figures import backward as both_gradients
from glassconv.views.figures import output_size, receptive_field, toeplitz, window

MOST_TOEPLITZ = 400  # rows or columns of a Toeplitz matrix
MOST_GRADIENT_CELLS = 40  # per side of the operands of a gradient
MOST_PHOTOGRAPH = 512  # pixels per side of an image
MOST_PLACES = 40  # of an axis whose windows are drawn


def draw_window(request: Request) -> Figure:
    """Draw one output and what it reads."""
    check_planes("window", request)
    row, column = ((size - 1) // 2 for size in request.problem.output_size)
    return window.draw(request.trace("im2col"), (0, row, column), request.theme)


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
    return toeplitz.draw(request.trace("toeplitz"), middle, request.theme)


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
    return both_gradients.draw(
        backward(problem, "im2col", request.operands, gradient), request.theme
    )


def draw_receptive_field(request: Request) -> Figure:
    """Draw which pixels of a photograph one output reads."""
    problem = request.problem
    pixels = max(axis.padded_size for axis in problem.axes)
    if pixels > MOST_PHOTOGRAPH:
        raise request.refusal(
            f"receptive-field is legible up to {MOST_PHOTOGRAPH} padded pixels per side; "
            f"this has {pixels}"
        )
    chelsea = photograph.chelsea()
    height, width = problem.input_size
    resized = Image.fromarray(chelsea.pixels).resize((width, height), Image.Resampling.LANCZOS)
    return receptive_field.draw(problem, np.asarray(resized), chelsea.source, request.theme)
