"""Copies for the depthwise kernel: a block's window with its padding, and weights by channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glassconv.codegen.ir import INT, POINTER, Code, Module, Pointer, Value
from glassconv.kernels.depthwise_blocks import NAMES
from glassconv.kernels.fields import Sizes
from glassconv.kernels.lower import copier


def plane_copier(module: Module) -> Code:
    """Write the function that copies a block's window of one plane, strip by strip.

    It takes (plan, plane, window, first row, first column), which may lie on padding.
    """
    copy = copier(module)
    code = Code(module, "copy_plane", [POINTER] * 3 + [INT] * 2)
    plan, plane, window, top, left = code.arguments()
    size = Sizes(code, plan, NAMES)
    line, length, step = size.line, size.column_members, size.column_member_step
    input_h = size.input_h
    with code.loop(0, size.column_pieces) as strip:
        x = left + strip * size.column_piece_step
        low, high = _inside(size.in_w, x, step, length)
        with _rows(code, size, top) as (row, y, inside):
            code.call_function(
                copy,
                window + (row * line + strip * length),
                plane + (y * input_h + x),
                step,
                length,
                low,
                code.select(inside, high, 0),
            )
    code.finish()
    return code


def pixels_copier(module: Module) -> Code:
    """Write the function that copies a block's window, for each pixel the channels of its filters.

    It takes (plan, picture, window, first row, first column, first filter).
    """
    code = Code(module, "copy_pixels", [POINTER] * 3 + [INT] * 3)
    plan, picture, window, top, left, filter = code.arguments()
    size = Sizes(code, plan, NAMES)
    lanes, block_c = code.lanes, size.block_c
    line, members, step = size.line, size.column_members, size.column_member_step
    input_h, input_w = size.input_h, size.input_w
    with code.loop(0, size.column_pieces) as piece:
        x = left + piece * size.column_piece_step
        low, high = _inside(size.in_w, x, step, members)
        with _rows(code, size, top) as (row, y, inside):
            target = window + (row * line + piece * members * block_c)
            source = picture + (y * input_h + x * input_w)
            begin, end = code.select(inside, low, 0), code.select(inside, high, 0)
            for start, stop in ((code.value(0), begin), (begin.maximum(end), members)):
                with code.loop(start * block_c, stop * block_c, lanes) as e:
                    target[e] = code.zeros()
            with code.loop(begin, end) as member:
                pixel, place = source + member * step * input_w, target + member * block_c
                _copy_channels(code, size, pixel, place, filter)
    code.finish()
    return code


def _copy_channels(code: Code, size: Sizes, pixel: Pointer, target: Pointer, filter: Value) -> None:
    """Copy a pixel's channel of each filter of a block."""
    with code.either(size.multiplier.equals(1)) as (one, several):
        with one, code.either(size.wide.equals(1)) as (wide, narrow):
            with wide, code.loop(0, size.block_c, code.lanes) as e:
                target[e] = pixel.vector(filter + e)
            with narrow:
                target[0] = pixel.masked(code.first_lanes(size.valid))
        with several, code.loop(0, size.block_c) as e:
            number = (filter + e).minimum(size.filters - 1)
            target[e] = pixel[number // size.multiplier]


def weights_packer(module: Module) -> Code:
    """Write the function that lays a block's weights out [tap][filter], and its bias after them.

    It takes (plan, weight, bias, packed, first filter).
    """
    code = Code(module, "pack_weights", [POINTER] * 4 + [INT])
    plan, weight, bias, packed, first = code.arguments()
    size = Sizes(code, plan, NAMES)
    lanes, taps, block_c, last = code.lanes, size.taps, size.block_c, size.filters - 1
    with code.loop(0, block_c, lanes) as column:
        with code.loop(0, taps, lanes) as tap:
            mask = code.first_lanes(taps - tap)
            rows = [
                (weight + ((first + column + i).minimum(last) * taps + tap)).masked(mask)
                for i in range(lanes)
            ]
            for i, row in enumerate(code.transpose(rows)):
                packed[(tap + i) * block_c + column] = row
        mask = code.first_lanes(size.filters - first - column)
        packed[size.weight_rows * block_c + column] = (bias + (first + column)).masked(mask)
    code.finish()
    return code


@contextmanager
def _rows(code: Code, size: Sizes, top: Value) -> Iterator[tuple[Value, Value, Value]]:
    """Do what is written within for each row of the window: its number, picture row, existence."""
    members, in_h = size.row_members, size.in_h
    piece_step, member_step = size.row_piece_step, size.row_member_step
    with code.loop(0, size.row_pieces) as piece, code.loop(0, members) as member:
        y = top + piece * piece_step + member * member_step
        yield piece * members + member, y, (y >= 0) & (y < in_h)


def _inside(width: Value, x: Value, step: Value, length: Value) -> tuple[Value, Value]:
    """Return the first of x, x + step, … in the picture and the first after it, by number."""
    low, high = (((edge - x).maximum(0) + (step - 1)) // step for edge in (x.code.value(0), width))
    return low.minimum(length), high.minimum(length)
