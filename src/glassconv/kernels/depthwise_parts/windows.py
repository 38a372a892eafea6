"""The workspace layout of the input window of a block of depthwise outputs.

The window is copied with its zero padding, so that the computation needs no bounds checks and no
masks. Along each axis it consists of `segments` segments of `segment_length` elements:

    window[s · segment_length + e] = padded input[first + s · segment_stride + e · element_stride]

Along an axis there are two candidates, and the shorter layout is used: every input element once, or
every tap of every output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from glassconv.kernels.depthwise_parts.register_tile import TILE_SIZE
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis


@dataclass(frozen=True)
class AxisLayout:
    """The layout of a window along one axis, and the offsets of its outputs and taps."""

    segments: int
    segment_length: int
    segment_stride: int
    element_stride: int
    output_stride: int  # elements between the inputs of adjacent outputs
    tap_offsets: tuple[int, ...]

    @property
    def length(self) -> int:
        """Return the number of elements."""
        return self.segments * self.segment_length

    @property
    def tap_stride(self) -> int:
        """Return the offset between consecutive taps of a layout in which it is constant."""
        return self.tap_offsets[1] if len(self.tap_offsets) > 1 else 0


def sequential_layout(axis: Axis, outputs: int) -> AxisLayout:
    """Return a layout in input order: each element once, or the taps of output 0, 1, and so on.

    >>> sequential_layout(Axis(input_size=9, kernel_size=3, stride=2), outputs=4).length
    9
    >>> sequential_layout(Axis(input_size=99, kernel_size=3, stride=9), outputs=4).length
    12
    """
    taps, stride, dilation = axis.kernel_size, axis.stride, axis.dilation
    unique_elements = (outputs - 1) * stride + axis.extent
    if unique_elements <= outputs * taps:
        return AxisLayout(
            segments=1,
            segment_length=unique_elements,
            segment_stride=0,
            element_stride=1,
            output_stride=stride,
            tap_offsets=tuple(tap * dilation for tap in range(taps)),
        )
    return AxisLayout(
        segments=outputs,
        segment_length=taps,
        segment_stride=stride,
        element_stride=dilation,
        output_stride=taps,
        tap_offsets=tuple(range(taps)),
    )


MAX_DILATION = 4  # of a dilation layout: a block should have a tile of outputs for each phase


def shares_inputs_by_phase(axis: Axis) -> bool:
    """Return whether outputs that are the dilation apart, not adjacent ones, share inputs.

    There must be enough of them for a tile.
    """
    most = min(MAX_DILATION, axis.output_size // TILE_SIZE)
    return axis.stride == 1 and 1 < axis.dilation <= most


def dilation_layout(axis: Axis, outputs: int) -> AxisLayout:
    """Return a layout in which the taps of an output are adjacent; the stride is 1.

    It has one segment per phase of the dilation. Outputs `dilation` apart read adjacent elements of
    the same segment: output o begins at segment o % dilation, element o // dilation.

    >>> dilation_layout(Axis(input_size=16, kernel_size=3, dilation=2), outputs=7).segment_length
    6
    """
    phase_outputs = ceil(outputs / axis.dilation)
    return AxisLayout(
        segments=axis.dilation,
        segment_length=phase_outputs + axis.kernel_size - 1,
        segment_stride=1,
        element_stride=axis.dilation,
        output_stride=1,
        tap_offsets=tuple(range(axis.kernel_size)),
    )


def phase_layout(axis: Axis, outputs: int, lanes: int) -> AxisLayout:
    """Return a layout in which adjacent outputs read adjacent elements.

    It has one segment per phase of the stride, or one per tap. With stride 2, the first segment
    holds the even columns and the second the odd ones.

    >>> phase_layout(Axis(input_size=16, kernel_size=3, stride=2), outputs=7, lanes=8).tap_offsets
    (0, 16, 1)
    """
    taps, stride, dilation = axis.kernel_size, axis.stride, axis.dilation
    outputs = max(outputs, lanes)
    phase_length = ceil((outputs + (taps - 1) * dilation // stride) / lanes) * lanes
    padded_outputs = ceil(outputs / lanes) * lanes
    # Copying by phase is faster than by tap, so a layout by phase may be twice as long.
    if stride * phase_length <= 2 * taps * padded_outputs:
        phases = [divmod(tap * dilation, stride) for tap in range(taps)]
        return AxisLayout(
            segments=stride,
            segment_length=phase_length,
            segment_stride=1,
            element_stride=stride,
            output_stride=1,
            tap_offsets=tuple(phase * phase_length + offset for offset, phase in phases),
        )
    return AxisLayout(
        segments=taps,
        segment_length=padded_outputs,
        segment_stride=dilation,
        element_stride=stride,
        output_stride=1,
        tap_offsets=tuple(tap * padded_outputs for tap in range(taps)),
    )


@dataclass(frozen=True)
class Block:
    """A block of outputs. All blocks have the same size; the last may overlap the one before."""

    rows: int
    columns: int
    row_layout: AxisLayout
    column_layout: AxisLayout

    @property
    def num_elements(self) -> int:
        """Return the size of its window in elements, per channel."""
        return self.row_layout.length * self.column_layout.length


def block_of_rows(problem: ConvProblem, rows: int, columns: int) -> Block:
    """Return a block whose window holds rows in input order, and columns, by dilation if any."""
    along_rows, along_columns = problem.axes
    column_layout = dilation_layout if shares_inputs_by_phase(along_columns) else sequential_layout
    return Block(
        rows, columns, sequential_layout(along_rows, rows), column_layout(along_columns, columns)
    )


def block_of_phases(problem: ConvProblem, rows: int, columns: int, lanes: int) -> Block:
    """Return a block whose window holds rows in input order and columns by phase."""
    along_rows, along_columns = problem.axes
    return Block(
        rows,
        columns,
        sequential_layout(along_rows, rows),
        phase_layout(along_columns, columns, lanes),
    )


def choose_block(
    problem: ConvProblem,
    make_block: Callable[[int, int], Block],
    column_step: int,
    max_elements: int,
) -> Block:
    """Return a block whose window has at most `max_elements` elements, if there is one.

    The block starts as the whole output and is halved: first its rows, to multiples of the tile
    size, then its columns, to multiples of `column_step`, then its rows again.
    """
    block = make_block(*problem.output_size)
    while block.num_elements > max_elements:
        if block.rows > TILE_SIZE:
            block = make_block(ceil(block.rows / 2 / TILE_SIZE) * TILE_SIZE, block.columns)
        elif block.columns > 2 * column_step:
            block = make_block(block.rows, ceil(block.columns / 2 / column_step) * column_step)
        elif block.rows > 1:
            block = make_block(ceil(block.rows / 2), block.columns)
        else:
            break
    return block
