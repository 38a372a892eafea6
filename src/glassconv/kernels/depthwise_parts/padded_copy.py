"""The window of a block of a plane, copied: rows as they are, or every second pixel apart."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct
from glassconv.kernels.microkernel.lowering import between, copier


@dataclass(frozen=True)
class WindowParameters(Struct[N]):
    """How a window holds the input: see windows.py for pieces and members."""

    input_height: N
    input_width: N
    input_stride_h: N
    row_pieces: N
    row_members: N
    row_piece_step: N
    row_member_step: N
    column_pieces: N
    column_members: N
    column_piece_step: N
    column_member_step: N
    window_stride: N  # from one row of a window to the next


def plane_copier(module: Module) -> Function:
    """Write the function that copies a block's window of one plane.

    `top`, `left`: the first row and column, which may be padding. The window holds zeros, or the
    same block of another plane: padding is not written.
    """
    rows_copier, phases_copier = _rows_copier(module), _phases_copier(module)
    any_copier = copier(module)

    @function(module)
    def copy_plane(
        code: Code,
        parameters: WindowParameters[Value],
        plane: Pointer,
        window: Pointer,
        top: Value,
        left: Value,
    ) -> None:
        p = parameters
        stride, length, step = p.window_stride, p.column_members, p.column_member_step
        strips, members = p.column_pieces, p.row_members
        with code.loop(0, p.row_pieces) as piece:
            y = top + piece * p.row_piece_step
            low, high = _inside(p.input_height, y, p.row_member_step, members)
            source = plane + (y + low * p.row_member_step) * p.input_stride_h
            target, rows = window + (piece * members + low) * stride, high - low
            source_stride = p.row_member_step * p.input_stride_h
            is_single = strips.equals(1) & step.equals(1)
            is_phases = strips.equals(2) & step.equals(2) & p.column_piece_step.equals(1)
            first, last = (
                edge.maximum(0).minimum(length * step) for edge in (0 - left, p.input_width - left)
            )
            common: dict[str, Argument] = {
                "target": target,
                "source": source + left,
                "rows": rows,
                "target_stride": stride,
                "source_stride": source_stride,
                "first": first,
                "last": last,
            }
            with code.if_(is_single):
                rows_copier.call(**common)
            with code.else_():
                with code.if_(is_phases):
                    phases_copier.call(**common, length=length)
                with code.else_(), code.loop(0, strips) as strip:
                    x = left + strip * p.column_piece_step
                    low, high = _inside(p.input_width, x, step, length)
                    with code.loop(0, rows) as row:
                        any_copier.call(
                            target=target + (row * stride + strip * length),
                            source=source + (row * source_stride + x),
                            step=step,
                            length=length,
                            low=low,
                            high=high,
                        )

    return copy_plane


def _rows_copier(module: Module) -> Function:
    """Write the function that copies rows as they are: elements from `first` on, before `last`.

    What is written beyond them is zeros where there is padding, or is written again.
    """

    @function(module)
    def copy_rows(
        code: Code,
        target: Pointer,
        source: Pointer,
        rows: Value,
        target_stride: Value,
        source_stride: Value,
        first: Value,
        last: Value,
    ) -> None:
        lanes = code.lanes
        whole = first + (last - first).maximum(0) // lanes * lanes
        rest = code.first_lanes(last - whole)

        def copy(*, with_rest: bool) -> None:
            with code.loop(0, rows) as row:
                written, read = target + row * target_stride, source + row * source_stride
                with code.loop(first, whole, lanes) as e:
                    written[e] = read.vector(e)
                if with_rest:
                    written[whole] = read.masked(rest, whole)

        with code.if_(whole < last):
            copy(with_rest=True)
        with code.else_():
            copy(with_rest=False)

    return copy_rows


def _phases_copier(module: Module) -> Function:
    """Write the function that copies rows' even elements, and the odd ones `length` behind them."""

    @function(module)
    def copy_phases(
        code: Code,
        target: Pointer,
        source: Pointer,
        rows: Value,
        target_stride: Value,
        source_stride: Value,
        first: Value,
        last: Value,
        length: Value,
    ) -> None:
        lanes = code.lanes
        step = 2 * lanes
        start = (first + (step - 1)) // step * step  # only before it and after stop, masks are used
        stop = start.maximum(last // step * step)

        def masks(e: Value) -> tuple[Value, Value]:
            return between(code, e, first, last), between(code, e + lanes, first, last)

        before, after = masks(start - step), masks(stop)
        with code.loop(0, rows) as row:
            written, read = target + row * target_stride, source + row * source_stride

            def copy(e: Value, masks: tuple[Value, Value] | None) -> None:
                if masks is None:
                    low, high = read.vector(e), read.vector(e + lanes)
                else:
                    low, high = read.masked(masks[0], e), read.masked(masks[1], e + lanes)
                place = written + e // 2
                place[0] = code.shuffle(low, high, range(0, step, 2))
                place[length] = code.shuffle(low, high, range(1, step, 2))

            with code.if_(start > first):
                copy(start - step, before)
            with code.loop(start, stop, step) as e:
                copy(e, None)
            with code.if_(stop < last):
                copy(stop, after)

    return copy_phases


def _inside(width: Value, x: Value, step: Value, length: Value) -> tuple[Value, Value]:
    """Return the first number n with x + n · step in the input, and the first after those."""
    edges = (x.code.value(0), width)
    low, high = (((edge - x).maximum(0) + (step - 1)) // step for edge in edges)
    return low.minimum(length), high.minimum(length)
