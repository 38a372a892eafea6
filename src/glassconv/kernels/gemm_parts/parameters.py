"""The parameters of the implicit GEMM kernel, and the segments of its reduction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd, prod

from glassconv.codegen.struct import N
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.lowering import LoweringParameters
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout

MAX_K_BLOCK = 256  # a 256 × 16 float32 panel of B fills half of a 32 KiB L1
L2_WAYS = 8  # lines that a set of L2 holds at least
FILTERS_OF_A_COPY = 64  # fewer read a copy of the input too seldom for it to pay
MIN_TILES_BY_ROWS = 4  # of an output row; with fewer, its last tile wastes more than is saved


@dataclass(frozen=True)
class GemmParameters(LoweringParameters[N]):
    """The kernel's parameters."""

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
    segments: N
    segments_per_block: N
    segment_length: N  # elements
    needs_lowering: N  # 0 if the input is read in place
    packed_elements: N  # of the panels that a task packs, before the buffer; 0 if it packs none
    workspace_bytes: N  # per thread


@dataclass(frozen=True)
class Segments:
    """The reduction of size k = count · length; a block of k is a number of whole segments."""

    count: int
    length: int
    taps: int  # NHWC: adjacent taps whose channels are contiguous in the input


def segments_of(problem: ConvProblem, layout: Layout) -> Segments:
    """Return the segments of a problem for inputs in the given memory layout."""
    channels, taps = problem.weight_shape[1], prod(problem.kernel_size)
    if layout.name == NCHW:  # all taps of a channel
        return Segments(channels, taps, 1)
    problem_2d = to_2d(problem, layout)
    if is_im2col_matrix(problem_2d):
        return Segments(channels, 1, 1)
    columns = problem_2d.axes[1]
    is_contiguous = columns.dilation == 1 and layout.strides[3] == channels
    is_short = columns.kernel_size * channels <= 2 * MAX_K_BLOCK
    taps_per_segment = columns.kernel_size if is_contiguous and is_short else 1
    return Segments(taps // taps_per_segment, taps_per_segment * channels, taps_per_segment)


def is_read_in_place(
    problem: ConvProblem, layout: Layout, target: Target, pixel_block: int
) -> bool:
    """Return whether tasks read the input without im2col, because it already is the matrix.

    In NCHW its rows are planes. The part of them that a panel reads must stay in L2: planes whose
    distance is a multiple of a large power of two are in the same few of its sets. And each block
    of pixels must have a whole vector.

    Planes that are no whole number of cache lines begin anywhere in a line. Their panels take a
    line more, of L2 too, which large weights need for themselves: these read a copy.
    """
    if not is_im2col_matrix(to_2d(problem, layout)):
        return False
    if layout.name != NCHW:
        return True
    element, rows = ELEMENT_BYTES[problem.dtype], min(problem.weight_shape[1], MAX_K_BLOCK)
    has_large_weight = problem.weight_bytes / problem.groups > target.l2 / 3
    is_aligned = layout.strides[1] * element % CACHE_LINE == 0
    if has_large_weight and not is_aligned and problem.gemm.m >= FILTERS_OF_A_COPY:
        return False
    way = target.l2 // L2_WAYS
    places = way // gcd(way, layout.strides[1] * element)
    last_block = (prod(problem.output_size) - 1) % pixel_block + 1
    return rows <= L2_WAYS * places and last_block >= target.lanes(problem.dtype)


def is_packed_by_tasks(problem: ConvProblem, layout: Layout) -> bool:
    """Return whether tasks pack their filters (pack.py): 1 × 1 kernels in NHWC."""
    return layout.name != NCHW and prod(problem.kernel_size) == 1


def row_length(problem: ConvProblem, layout: Layout) -> int:
    """Return the elements of a row of pixels that the windows of an output row read (NHWC)."""
    columns = to_2d(problem, layout).axes[1]
    pixels = (columns.output_size - 1) * columns.stride + columns.extent
    return pixels * problem.weight_shape[1]


def is_by_rows(problem: ConvProblem, layout: Layout, target: Target) -> bool:
    """Return whether rows of pixels are multiplied as the matrix of their windows (rows.py).

    The weights, and the input rows of one output row, must each fit in half of L2. Each output row
    is a product of its own, so it must have several tiles. Windows must overlap, or copying rows
    copies more than im2col.
    """
    segments, axes = segments_of(problem, layout), to_2d(problem, layout).axes
    if layout.name == NCHW or problem.groups > 1 or is_packed_by_tasks(problem, layout):
        return False
    rows, columns = axes
    pixels_are_adjacent = layout.strides[3] == problem.in_channels
    window_bytes = rows.extent * row_length(problem, layout) * ELEMENT_BYTES[problem.dtype]
    return (
        pixels_are_adjacent
        and segments.taps == columns.kernel_size
        and columns.output_size >= MIN_TILES_BY_ROWS * target.tile()[0]
        and all(axis.kernel_size >= axis.stride for axis in axes)
        and max(window_bytes, problem.weight_bytes) <= target.l2 // 2
    )


def to_2d(problem: ConvProblem, layout: Layout) -> ConvProblem:
    """Return the problem in 2D; a contiguous pointwise problem is flattened to a single row."""
    problem_2d = problem.as_2d()
    stride_h, stride_w = layout.strides[2:]
    is_unit = {*problem_2d.kernel_size, *problem_2d.stride} == {1}
    is_pointwise = is_unit and problem_2d.input_size == problem_2d.output_size
    if is_pointwise and stride_h == problem_2d.input_size[1] * stride_w:
        return replace(problem_2d, input_size=(1, prod(problem_2d.input_size)))
    return problem_2d


def is_im2col_matrix(problem_2d: ConvProblem) -> bool:
    """Return whether the input already is the [pixel, k] matrix, with row stride input_stride_w."""
    (height, width), (rows, columns) = problem_2d.input_size, problem_2d.axes
    is_one_row = height == 1 and prod(problem_2d.output_size) == width and rows.padding[0] == 0
    return is_one_row and prod(problem_2d.kernel_size) == 1 and columns.stride == 1
