"""Figures of a convolution as a matrix product, and of its parts."""

from __future__ import annotations

from math import prod

import numpy as np
from matplotlib.figure import Figure

from glassconv.algorithms import named
from glassconv.data import photograph
from glassconv.examples.tutorial import walk
from glassconv.figures.request import Request
from glassconv.problem import ConvProblem
from glassconv.problem.operands import random_operands
from glassconv.reports.worked_example import Tutorial, WorkedExample
from glassconv.tracing.forward import trace
from glassconv.verification.verify import compare
from glassconv.views.figures import comparison, image, kn2row, lowering, matrix_product, phases
from glassconv.views.figures import worked_example as by_hand
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme

MOST_CELLS = 16  # rows or columns of a worked example
MOST_SLICES = 6  # its channels and filters
MOST_PIXELS = 64  # per side of a plane whose cells are visible
MOST_ROWS, MOST_COLUMNS = 256, 400  # of an im2col matrix
MOST_PHASES = 4  # per axis
MOST_TAP_CELLS = 48  # per side, of the planes of all taps together


def of_tutorial(facts: Tutorial, theme: Theme) -> dict[str, Figure]:
    """Return the four figures of the demo by kind."""
    output = facts.layer.output
    return {
        "image": image.draw(facts.picture, facts.layer.input[0], facts.source, theme),
        "worked-example": by_hand.draw(facts.worked, Subject(facts.worked.problem), theme),
        "matrix-product": matrix_product.draw(
            facts.four_filters, Subject(facts.four_filters.problem), theme
        ),
        "comparison": comparison.draw(
            facts.conv2d, output, facts.difference, Subject(facts.layer.problem), theme
        ),
    }


def tutorial_default(kind: str, theme: Theme) -> Figure:
    """Return one of them, of the built-in photograph."""
    chelsea = photograph.chelsea()
    return of_tutorial(walk(chelsea.pixels, chelsea.source), theme)[kind]


def draw_image(request: Request) -> Figure:
    """Refuse: this kind draws the tutorial's input."""
    raise request.refusal("image draws the tutorial's input, not a problem")


def draw_worked_example(request: Request) -> Figure:
    """Draw one output written out in full."""
    problem = request.problem
    cells = max(axis.padded_size for axis in problem.axes)
    slices = max(problem.in_channels, problem.out_channels)
    if cells > MOST_CELLS or slices > MOST_SLICES:
        raise request.refusal(
            f"a worked example is legible up to {MOST_CELLS} padded pixels per side and "
            f"{MOST_SLICES} channels and filters; this has {cells} and {slices}"
        )
    rows, columns = problem.output_size
    chosen = 0, rows // 2, columns // 2
    traced = request.trace("direct")
    bias = np.zeros(problem.out_channels) if traced.bias is None else traced.bias
    example = WorkedExample(problem, traced.input[0], traced.weight, bias, traced.output[0], chosen)
    return by_hand.draw(example, request.subject, request.theme)


def draw_matrix_product(request: Request) -> Figure:
    """Draw weight × windows = output."""
    return matrix_product.draw(request.trace("im2col"), request.subject, request.theme)


def draw_comparison(request: Request) -> Figure:
    """Draw the outputs of PyTorch and of im2col, and their difference."""
    problem = request.problem
    operands = request.operands if request.given else random_operands(problem, request.seed)
    aten, im2col = (trace(problem, name, operands) for name in ("aten", "im2col"))
    bound = named("im2col").error_bound(problem)
    first, second = ("PyTorch", aten.output, bound), ("im2col", im2col.output, bound)
    difference = compare(problem, operands, first, second)
    return comparison.draw(aten.output, im2col.output, difference, request.subject, request.theme)


def draw_im2col(request: Request) -> Figure:
    """Draw an input beside its im2col matrix."""
    problem = request.problem
    check_planes("im2col", request)
    rows, columns = problem.gemm.k * problem.groups, prod(problem.output_size)
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise request.refusal(
            f"im2col is legible up to {MOST_ROWS} rows and {MOST_COLUMNS} columns of the matrix; "
            f"this has {rows} and {columns}"
        )
    row, column = (size // 2 for size in problem.output_size)
    pixel = _most_copied(problem, (row, column))
    return lowering.draw(
        request.trace("im2col"), (row, column), pixel, request.subject, request.theme
    )


def draw_kn2row(request: Request) -> Figure:
    """Draw the input multiplied by each tap, and their sum."""
    problem = request.problem
    cells = max(problem.input_size[axis] * problem.kernel_size[axis] for axis in (0, 1))
    if cells > MOST_TAP_CELLS:
        raise request.refusal(
            f"kn2row is legible up to {MOST_TAP_CELLS} cells per side, kernel times input; "
            f"this has {cells}"
        )
    rows, columns = problem.output_size
    return kn2row.draw(
        request.trace("kn2row"), (rows // 2, columns // 2), request.subject, request.theme
    )


def draw_phases(request: Request) -> Figure:
    """Draw a transposed convolution as one small convolution for each phase of its output."""
    plane = request.asked.as_2d()
    stride, cells = max(plane.stride), max(*plane.output_size, *plane.kernel_size)
    if stride > MOST_PHASES or cells > MOST_CELLS:
        raise request.refusal(
            f"phases is legible up to a stride of {MOST_PHASES} and {MOST_CELLS} outputs or taps "
            f"per side; this has {stride} and {cells}"
        )
    return phases.draw(
        trace(plane, "phases", request.plane_operands), str(request.asked), request.theme
    )


def check_planes(kind: str, request: Request) -> None:
    """Raise `UnsupportedError` for planes whose cells would be too small."""
    longest = max(axis.padded_size for axis in request.problem.axes)
    if longest > MOST_PIXELS:
        raise request.refusal(
            f"{kind} is legible up to {MOST_PIXELS} padded pixels per side; this has {longest}"
        )


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
