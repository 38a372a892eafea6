"""The copy of the input window of a block of a plane: in order, or even and odd columns apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct
from glassconv.kernels.depthwise_parts.windows import Block
from glassconv.kernels.microkernel.padded_row import emit_copy, range_mask
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import Layout

LoadMasked = Callable[[Pointer, Value, Value], Value]  # address, mask, index


@dataclass(frozen=True)
class WindowParameters(Struct[N]):
    """How a window holds the input; windows.py explains segments and elements."""

    input_height: N
    input_width: N
    input_stride_h: N
    row_segments: N
    row_segment_length: N
    row_segment_stride: N
    row_element_stride: N
    column_segments: N
    column_segment_length: N
    column_segment_stride: N
    column_element_stride: N
    window_row_stride: N


def window_parameters(
    problem: ConvProblem, layout: Layout, block: Block, lanes: int = 1
) -> WindowParameters[int]:
    """Return the parameters of the windows of a 2D problem; lanes: elements of each position."""
    row_layout, column_layout = block.row_layout, block.column_layout
    return WindowParameters(
        input_height=problem.input_size[0],
        input_width=problem.input_size[1],
        input_stride_h=layout.strides[2],
        row_segments=row_layout.segments,
        row_segment_length=row_layout.segment_length,
        row_segment_stride=row_layout.segment_stride,
        row_element_stride=row_layout.element_stride,
        column_segments=column_layout.segments,
        column_segment_length=column_layout.segment_length,
        column_segment_stride=column_layout.segment_stride,
        column_element_stride=column_layout.element_stride,
        window_row_stride=column_layout.length * lanes,
    )


def emit_copy_plane(module: Module) -> Function:
    """Emit the function that copies the input window of a block from one plane.

    `top` and `left`, the first row and column, may be in the padding. The window must be zeroed or
    hold the same block of another plane, because padding is not written.
    """
    copy_rows, copy_even_odd = _emit_copy_rows(module), _emit_copy_even_odd(module)
    copy_strided = emit_copy(module)

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
        row_stride = p.window_row_stride
        length, step = p.column_segment_length, p.column_element_stride
        column_segments, rows_per_segment = p.column_segments, p.row_segment_length
        with code.loop(0, p.row_segments) as row_segment:
            y = top + row_segment * p.row_segment_stride
            low, high = valid_range(p.input_height, y, p.row_element_stride, rows_per_segment)
            src = plane + (y + low * p.row_element_stride) * p.input_stride_h
            dst_row = row_segment * rows_per_segment + low
            dst, rows = window + dst_row * row_stride, high - low
            src_row_stride = p.row_element_stride * p.input_stride_h
            is_contiguous = column_segments.equals(1) & step.equals(1)
            is_even_odd = (
                column_segments.equals(2) & step.equals(2) & p.column_segment_stride.equals(1)
            )
            first, last = (
                edge.maximum(0).minimum(length * step) for edge in (0 - left, p.input_width - left)
            )
            common: dict[str, Argument] = {
                "dst": dst,
                "src": src + left,
                "rows": rows,
                "dst_row_stride": row_stride,
                "src_row_stride": src_row_stride,
                "first": first,
                "last": last,
            }
            with code.if_(is_contiguous):
                copy_rows.call(**common)
            with code.else_():
                with code.if_(is_even_odd):
                    copy_even_odd.call(**common, length=length)
                with code.else_(), code.loop(0, column_segments) as column_segment:
                    x = left + column_segment * p.column_segment_stride
                    low, high = valid_range(p.input_width, x, step, length)
                    with code.loop(0, rows) as row:
                        copy_strided.call(
                            dst=dst + (row * row_stride + column_segment * length),
                            src=src + (row * src_row_stride + x),
                            step=step,
                            length=length,
                            low=low,
                            high=high,
                        )

    return copy_plane


def _emit_copy_rows(module: Module) -> Function:
    """Emit the function that copies rows in order: the elements in [first, last).

    Elements written past `last` are zeros in the padding or are overwritten later.
    """

    @function(module)
    def copy_rows(
        code: Code,
        dst: Pointer,
        src: Pointer,
        rows: Value,
        dst_row_stride: Value,
        src_row_stride: Value,
        first: Value,
        last: Value,
    ) -> None:
        lanes = code.lanes
        vector_stop = first + (last - first).maximum(0) // lanes * lanes
        tail_mask = code.first_lanes(last - vector_stop)

        def copy(row: Value, load_tail: LoadMasked | None) -> None:
            dst_row, src_row = dst + row * dst_row_stride, src + row * src_row_stride
            with code.loop(first, vector_stop, lanes) as e:
                dst_row[e] = src_row.vector(e)
            if load_tail:
                dst_row[vector_stop] = load_tail(src_row, tail_mask, vector_stop)

        with code.if_(vector_stop < last):
            reads_next_row = vector_stop + lanes - last <= src_row_stride
            stop = code.select(reads_next_row, (rows - 1).maximum(0), 0)
            with code.loop(0, stop) as row:
                copy(row, _load_and_mask)
            with code.loop(stop, rows) as row:
                copy(row, Pointer.masked)
        with code.else_(), code.loop(0, rows) as row:
            copy(row, None)

    return copy_rows


def _emit_copy_even_odd(module: Module) -> Function:
    """Emit the function that copies rows: even elements first, odd elements `length` further."""

    @function(module)
    def copy_even_odd(
        code: Code,
        dst: Pointer,
        src: Pointer,
        rows: Value,
        dst_row_stride: Value,
        src_row_stride: Value,
        first: Value,
        last: Value,
        length: Value,
    ) -> None:
        lanes = code.lanes
        step = 2 * lanes
        # Outside [start, stop) vectors are partial and need masks.
        start = (first + (step - 1)) // step * step
        stop = start.maximum(last // step * step)

        def tail_masks(e: Value) -> tuple[Value, Value]:
            return range_mask(code, e, first, last), range_mask(code, e + lanes, first, last)

        before, after = tail_masks(start - step), tail_masks(stop)

        def copy_row(row: Value, load: LoadMasked) -> None:
            dst_row, src_row = dst + row * dst_row_stride, src + row * src_row_stride

            def copy(e: Value, masks: tuple[Value, Value] | None) -> None:
                if masks is None:
                    pair = src_row.vector(e), src_row.vector(e + lanes)
                else:
                    pair = load(src_row, masks[0], e), load(src_row, masks[1], e + lanes)
                dst_ptr = dst_row + e // 2
                dst_ptr[0] = code.shuffle(*pair, range(0, step, 2))
                dst_ptr[length] = code.shuffle(*pair, range(1, step, 2))

            with code.if_(start > first):
                copy(start - step, before)
            with code.loop(start, stop, step) as e:
                copy(e, None)
            with code.if_(stop < last):
                copy(stop, after)

        # How far the vectors of a row reach before its first element and behind its last.
        begin = code.select(start > first, start - step, first)
        end = code.select(stop < last, stop + step, start)
        reach = (first - begin).maximum(end - last)
        reads_neighbours = (reach <= src_row_stride) & (rows > 2)
        inner_start = code.select(reads_neighbours, code.value(1), rows)
        inner_stop = code.select(reads_neighbours, rows - 1, rows)
        for low, high, load in (
            (code.value(0), inner_start, Pointer.masked),
            (inner_start, inner_stop, _load_and_mask),
            (inner_stop, rows, Pointer.masked),
        ):
            with code.loop(low, high) as row:
                copy_row(row, load)

    return copy_even_odd


def _load_and_mask(address: Pointer, mask: Value, index: Value) -> Value:
    """Return what `Pointer.masked` does, from a load of all lanes: they must be readable.

    Masked loads are slow on some processors. Next to a row are its neighbours, so this is possible
    for rows that have some.
    """
    code = address.code
    return code.select(mask, address.vector(index), code.zeros())


def valid_range(width: Value, x: Value, step: Value, length: Value) -> tuple[Value, Value]:
    """Return the range [low, high) of indices i with 0 ≤ x + i · step < width."""
    edges = (x.code.value(0), width)
    low, high = (((edge - x).maximum(0) + (step - 1)) // step for edge in edges)
    return low.minimum(length), high.minimum(length)
