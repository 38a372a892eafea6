"""What implicit_gemm's machine code reads, and how the products of an output come in pieces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from glassconv.codegen.struct import N
from glassconv.kernels.microkernel.lowering import LoweringParameters
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout


@dataclass(frozen=True)
class GemmParameters(LoweringParameters[N]):
    """What the kernel reads."""

    filters: N  # of a group
    groups: N
    pixels: N
    k: N
    input_stride_n: N
    output_stride_n: N
    output_stride_c: N  # NCHW
    output_stride_w: N  # NHWC
    pixel_block: N
    pixel_blocks: N
    filter_block: N
    filter_blocks: N
    filters_in_l2: N
    pieces: N
    piece_block: N
    piece_length: N  # elements
    is_lowered: N  # 0 where the input itself is the matrix
    workspace_bytes: N


@dataclass(frozen=True)
class Pieces:
    """The products of an output, k = count · length, in pieces that are never cut."""

    count: int
    length: int
    taps: int  # of a row of taps that is contiguous in the input, with all channels (NHWC)
    is_lowered: bool  # whether the input is not the matrix already


def pieces_of(problem: ConvProblem, layout: Layout) -> Pieces:
    """Return the pieces of a problem's outputs for inputs in this memory layout."""
    channels, taps = problem.weight_shape[1], prod(problem.kernel_size)
    if layout.name == NCHW:  # all taps of a channel
        return Pieces(channels, taps, 1, is_lowered=True)
    plane = plane_of(problem, layout)
    if _is_matrix(plane):
        return Pieces(channels, 1, 1, is_lowered=False)
    columns = plane.axes[1]
    contiguous = columns.dilation == 1 and layout.strides[3] == channels
    together = columns.kernel_size if contiguous else 1
    return Pieces(taps // together, together * channels, together, is_lowered=True)


def plane_of(problem: ConvProblem, layout: Layout) -> ConvProblem:
    """Return the problem in two axes; an image that is read pixel by pixel, as a single row."""
    plane = problem.as_2d()
    row, column = layout.strides[2:]
    pointwise = {*plane.kernel_size, *plane.stride} == {1} and plane.input_size == plane.output_size
    if pointwise and row == plane.input_size[1] * column:
        return replace(plane, input_size=(1, prod(plane.input_size)))
    return plane


def _is_matrix(plane: ConvProblem) -> bool:
    """Return whether pixel p's channels begin at p · input_stride_w: nothing has to be lowered."""
    (height, width), (rows, columns) = plane.input_size, plane.axes
    one_row = height == 1 and prod(plane.output_size) == width and rows.padding[0] == 0
    return one_row and prod(plane.kernel_size) == 1 and columns.stride == 1
