"""The window of a block of a plane, copied: rows as they are, or every second pixel apart."""

from __future__ import annotations

from glassconv.codegen.ir import INT, POINTER, Code, Module, Pointer, Value
from glassconv.codegen.legacy import LegacyCode, Sizes
from glassconv.kernels.microkernel.lowering import between, copier


def plane_copier(module: Module, names: tuple[str, ...]) -> Code:
    """Write the function that copies a block's window of one plane.

    It takes (plan, plane, window, first row, first column), which may lie on padding. The window
    holds zeros, or the same block of another plane: padding is not written.
    """
    one_by_one, phases, anyhow = _rows_copier(module), _phases_copier(module), copier(module)
    code = LegacyCode(module, "copy_plane", [POINTER] * 3 + [INT] * 2)
    plan, plane, window, top, left = code.arguments()
    size = Sizes(code, plan, names)
    line, length, step = size.line, size.column_members, size.column_member_step
    strips, members = size.column_pieces, size.row_members
    with code.loop(0, size.row_pieces) as piece:
        y = top + piece * size.row_piece_step
        low, high = _inside(size.in_h, y, size.row_member_step, members)
        source = plane + (y + low * size.row_member_step) * size.input_h
        target, rows = window + (piece * members + low) * line, high - low
        next_row = size.row_member_step * size.input_h
        single = strips.equals(1) & step.equals(1)
        both = strips.equals(2) & step.equals(2) & size.column_piece_step.equals(1)
        first, last = (
            edge.maximum(0).minimum(length * step) for edge in (0 - left, size.in_w - left)
        )
        given = [target, source + left, rows, line, next_row, first, last]
        with code.either(single) as (yes, no):
            with yes:
                code.call_function(one_by_one, *given)
            with no, code.either(both) as (two, more):
                with two:
                    code.call_function(phases, *given, length)
                with more, code.loop(0, strips) as strip:
                    x = left + strip * size.column_piece_step
                    low, high = _inside(size.in_w, x, step, length)
                    with code.loop(0, rows) as row:
                        code.call_function(
                            anyhow, target + (row * line + strip * length),
                            source + (row * next_row + x), step, length, low, high,
                        )  # fmt: skip
    code.finish()
    return code


def _rows_copier(module: Module) -> Code:
    """Write the function that copies rows as they are.

    It takes (target, source, rows, target's row, source's row, first, last): elements from the
    first and before the last. What is written beyond is zeros on padding, or written again.
    """
    code = LegacyCode(module, "copy_rows", [POINTER] * 2 + [INT] * 5)
    target, source, rows, target_row, source_row, first, last = code.arguments()
    lanes = code.lanes
    whole = first + (last - first).maximum(0) // lanes * lanes
    rest = code.first_lanes(last - whole)
    with code.either(whole < last) as (with_rest, without):
        for context, any_rest in ((with_rest, True), (without, False)):
            with context, code.loop(0, rows) as row:
                to, read = target + row * target_row, source + row * source_row
                with code.loop(first, whole, lanes) as e:
                    to[e] = read.vector(e)
                if any_rest:
                    to[whole] = read.masked(rest, whole)
    code.finish()
    return code


def _phases_copier(module: Module) -> Code:
    """Write the function that copies rows' even elements, and their odd ones `length` behind.

    It takes (target, source, rows, target's row, source's row, first, last, length).
    """
    code = LegacyCode(module, "copy_phases", [POINTER] * 2 + [INT] * 6)
    target, source, rows, target_row, source_row, first, last, length = code.arguments()
    lanes = code.lanes
    step = 2 * lanes
    start = (first + (step - 1)) // step * step  # before it and after stop a vector has an end
    stop = start.maximum(last // step * step)

    def ends(e: Value) -> tuple[Value, Value]:
        return between(code, e, first, last), between(code, e + lanes, first, last)

    before, after = ends(start - step), ends(stop)
    with code.loop(0, rows) as row:
        to, read = target + row * target_row, source + row * source_row

        def copy(
            e: Value,
            masks: tuple[Value, Value] | None,
            to: Pointer = to,
            read: Pointer = read,
        ) -> None:
            if masks is None:
                low, high = read.vector(e), read.vector(e + lanes)
            else:
                low, high = read.masked(masks[0], e), read.masked(masks[1], e + lanes)
            place = to + e // 2
            place[0] = code.shuffle(low, high, range(0, step, 2))
            place[length] = code.shuffle(low, high, range(1, step, 2))

        with code.when(start > first):
            copy(start - step, before)
        with code.loop(start, stop, step) as e:
            copy(e, None)
        with code.when(stop < last):
            copy(stop, after)
    code.finish()
    return code


def _inside(width: Value, x: Value, step: Value, length: Value) -> tuple[Value, Value]:
    """Return the first of x, x + step, … in the picture and the first after it, by number."""
    low, high = (((edge - x).maximum(0) + (step - 1)) // step for edge in (x.code.value(0), width))
    return low.minimum(length), high.minimum(length)
