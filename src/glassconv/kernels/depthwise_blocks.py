"""What a block of depthwise outputs reads, laid out so that nothing is on the edge of anything.

A block's window is copied into a thread's workspace, its padding as zeros, so that the sums that
follow need no test and no mask. Along an axis it is laid out as pieces of some members each:

    position of piece p, member m      p · members + m
    holds the padded picture's         first + p · piece_step + m · member_step

Of two ways to lay an axis out the shorter is taken: each pixel once, or each tap of each output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

from glassconv.axis import Axis
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.layout import NCHW, Layout
from glassconv.problem import ConvProblem

NAMES = (
    *("units", "group", "channels", "filters", "multiplier", "taps"),
    *("in_h", "in_w", "stride_h", "stride_w", "padding_h", "padding_w"),
    *("input_n", "input_c", "input_h", "input_w", "output_n", "output_c", "output_h", "output_w"),
    *("block_h", "blocks_h", "last_h", "block_w", "blocks_w", "last_w"),
    *("block_c", "blocks_c", "last_c", "valid", "wide"),
    *("row_pieces", "row_members", "row_piece_step", "row_member_step"),
    *("column_pieces", "column_members", "column_piece_step", "column_member_step"),
    *("line", "weight_rows", "workspace"),
    *("tile_taps", "tile_tap", "tile_source", "tile_weight", "tile_output"),
    *("loop_taps", "loop_weight", "runs", "run_step", "run_last", "run_source", "run_output"),
)
HEIGHT = 7  # outputs of a tile, one after the other: it divides the planes of most networks


@dataclass(frozen=True)
class Span:
    """How a window lies along one axis, and where its outputs and taps begin."""

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
    if stride * phase <= taps * one:
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


def block_of(
    problem: ConvProblem, columns_of: Callable[[Axis, int], Span], most: int, step: int
) -> Block:
    """Return a block whose window has at most so many positions, if there is one.

    step: a block of some of the columns has a multiple of these.
    """
    rows, columns = problem.axes

    def sized(height: int, width: int) -> Block:
        return Block(height, width, in_order(rows, height), columns_of(columns, width))

    block = sized(rows.output_size, columns.output_size)
    while block.positions > most:
        if block.rows > HEIGHT:
            block = sized(ceil(block.rows / 2 / HEIGHT) * HEIGHT, block.columns)
        elif block.columns > 2 * step:
            block = sized(block.rows, ceil(block.columns / 2 / step) * step)
        elif block.rows > 1:
            block = sized(ceil(block.rows / 2), block.columns)
        else:
            break
    return block


def sizes(problem: ConvProblem, layout: Layout, target: Target) -> tuple[dict[str, int], list[int]]:
    """Return the kernel's numbers, without those of tasks, and the positions of the looped taps."""
    lanes, element = target.lanes(problem.dtype), ELEMENT_BYTES[problem.dtype]
    filters, (out_h, out_w) = problem.out_channels, problem.output_size
    nchw = layout.name == NCHW
    rows, columns = problem.axes
    taps = prod(problem.kernel_size)
    width = out_w if nchw else filters  # of what lies together, and lies in a vector
    if nchw:
        block_c = 1
        most = target.l1 // 2 // element
        block = block_of(
            problem, lambda axis, outputs: in_strips(axis, outputs, lanes), most, lanes
        )
    else:
        block_c = 2 * lanes if filters >= 4 * lanes else lanes
        most = target.l2 // 4 // element // block_c
        block = block_of(problem, in_order, most, HEIGHT)
    across, down = block.column_span, block.row_span
    line = across.length * block_c
    size = {
        "channels": problem.in_channels,
        "filters": filters,
        "multiplier": filters // problem.in_channels,
        "taps": taps,
        "in_h": rows.input_size,
        "in_w": columns.input_size,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "padding_h": rows.padding[0],
        "padding_w": columns.padding[0],
        "output_n": filters * out_h * out_w,
        "output_c": out_h * out_w if nchw else 1,
        "output_h": out_w if nchw else out_w * filters,
        "output_w": 1 if nchw else filters,
        "valid": min(width, lanes),
        "wide": width >= lanes,
        "line": line,
    }
    size |= zip(("input_n", "input_c", "input_h", "input_w"), layout.strides, strict=True)
    size |= _cut("h", out_h, block.rows) | _cut("w", out_w, block.columns)
    size |= _cut("c", filters, block_c)
    size |= _window("row", down) | _window("column", across)
    if nchw:
        size |= {
            "tile_taps": rows.kernel_size,
            "tile_tap": down.tap_step * line,
            "tile_source": down.output_step * line,
            "tile_weight": columns.kernel_size,
            "tile_output": out_w,
            "loop_taps": columns.kernel_size,
            "loop_weight": 1,
            "runs": ceil(block.columns / lanes),
            "run_step": lanes,
            "run_last": max(block.columns - lanes, 0),
            "run_source": 1,
            "run_output": 1,
            "weight_rows": 0,
        }
        positions = list(across.taps)
    else:
        size |= {
            "tile_taps": columns.kernel_size,
            "tile_tap": across.tap_step * block_c,
            "tile_source": across.output_step * block_c,
            "tile_weight": block_c,
            "tile_output": filters,
            "loop_taps": rows.kernel_size,
            "loop_weight": columns.kernel_size * block_c,
            "runs": block.rows,
            "run_step": 1,
            "run_last": block.rows - 1,
            "run_source": down.output_step * line,
            "run_output": out_w * filters,
            "weight_rows": ceil(taps / lanes) * lanes,
        }
        positions = [tap * line for tap in down.taps]
    elements = down.length * line + (size["weight_rows"] + 1) * block_c
    size["workspace"] = ceil(elements * element / 64) * 64
    parts = problem.in_channels if nchw else size["blocks_c"]
    size["units"] = problem.batch * parts * size["blocks_h"] * size["blocks_w"]
    return size, positions


def _cut(axis: str, outputs: int, block: int) -> dict[str, int]:
    """Return the numbers of blocks along an axis; the last one starts as late as it fits."""
    last = max(outputs - block, 0)
    return {f"block_{axis}": block, f"blocks_{axis}": ceil(outputs / block), f"last_{axis}": last}


def _window(axis: str, span: Span) -> dict[str, int]:
    return {
        f"{axis}_pieces": span.pieces,
        f"{axis}_members": span.members,
        f"{axis}_piece_step": span.piece_step,
        f"{axis}_member_step": span.member_step,
    }
