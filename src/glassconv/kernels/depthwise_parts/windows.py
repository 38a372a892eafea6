"""What a block of depthwise outputs reads, laid out so that nothing is on the edge of anything.

A block's window is copied into a thread's workspace, its padding as zeros, so that the sums that
follow need no test and no mask. Along an axis it is laid out as pieces of some members each:

    position of piece p, member m      p · members + m
    holds the padded picture's         first + p · piece_step + m · member_step

Of two ways to lay an axis out the shorter is taken: each pixel once, or each tap of each output.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from glassconv.kernels.depthwise_parts.register_tile import HEIGHT
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis


@dataclass(frozen=True)
class Span:
    """How a window is laid out along one axis, and where its outputs and taps begin."""

    pieces: int
    members: int
    piece_step: int
    member_step: int
    output_step: int  # positions from an output's to the next one's
    taps: tuple[int, ...]  # their positions

    @property
    def length(self) -> int:
        """Return how many positions there are."""
        return self.pieces * self.members

    @property
    def tap_step(self) -> int:
        """Return the positions from a tap to the next, where they are all as far apart."""
        return self.taps[1] if len(self.taps) > 1 else 0


def in_order(axis: Axis, outputs: int) -> Span:
    """Lay pixels out in their order: each once, or the taps of one output after the other's.

    >>> in_order(Axis(input_size=9, kernel_size=3, stride=2), outputs=4).length
    9
    >>> in_order(Axis(input_size=99, kernel_size=3, stride=9), outputs=4).length
    12
    """
    taps, stride, dilation = axis.kernel_size, axis.stride, axis.dilation
    once = (outputs - 1) * stride + axis.extent
    if once <= outputs * taps:
        return Span(1, once, 0, 1, stride, tuple(tap * dilation for tap in range(taps)))
    return Span(outputs, taps, stride, dilation, taps, tuple(range(taps)))


def in_strips(axis: Axis, outputs: int, lanes: int) -> Span:
    """Lay pixels out so that neighbouring outputs read neighbours: a strip for each phase or tap.

    With stride 2 one strip holds the even pixels and one the odd.

    >>> in_strips(Axis(input_size=16, kernel_size=3, stride=2), outputs=7, lanes=8).taps
    (0, 16, 1)
    """
    taps, stride, dilation = axis.kernel_size, axis.stride, axis.dilation
    outputs = max(outputs, lanes)
    phase = ceil((outputs + (taps - 1) * dilation // stride) / lanes) * lanes
    one = ceil(outputs / lanes) * lanes
    if stride * phase <= 2 * taps * one:  # phases are copied faster than taps
        places = [divmod(tap * dilation, stride) for tap in range(taps)]
        positions = tuple(strip * phase + place for place, strip in places)
        return Span(stride, phase, 1, stride, 1, positions)
    return Span(taps, one, dilation, stride, 1, tuple(tap * one for tap in range(taps)))


@dataclass(frozen=True)
class Block:
    """A block of outputs; all blocks are of one size, so the last may overlap the one before."""

    rows: int
    columns: int
    row_span: Span
    column_span: Span

    @property
    def positions(self) -> int:
        """Return how many positions its window has, in one channel."""
        return self.row_span.length * self.column_span.length


def block_of(problem: ConvProblem, lanes: int, most: int) -> Block:
    """Return a block whose window has at most so many positions, if there is one.

    A block of some of the columns has whole vectors of them, one of some of the rows whole tiles.
    """
    rows, columns = problem.axes

    def sized(height: int, width: int) -> Block:
        return Block(height, width, in_order(rows, height), in_strips(columns, width, lanes))

    block = sized(rows.output_size, columns.output_size)
    while block.positions > most:
        if block.rows > HEIGHT:
            block = sized(ceil(block.rows / 2 / HEIGHT) * HEIGHT, block.columns)
        elif block.columns > 2 * lanes:
            block = sized(block.rows, ceil(block.columns / 2 / lanes) * lanes)
        elif block.rows > 1:
            block = sized(ceil(block.rows / 2), block.columns)
        else:
            break
    return block
