"""Lowering: windows copied for a product, a block at a time, into a buffer that stays in cache.

    by_tap    buffer[k, pixel]   for inputs whose rows are contiguous (NCHW): k = (c, u, v)
    by_pixel  buffer[pixel, k]   for inputs whose channels are contiguous (NHWC): k = (u, v, c)

Both copy pieces of rows: element e of a piece is source[e · step] where low ≤ e < high, and zero
elsewhere, where it is padding. No other code writes padding.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct


@dataclass(frozen=True)
class LoweringParameters(Struct[N]):
    """Where windows are in the input, and how the buffer holds them."""

    channels: N  # of a group
    input_height: N
    input_width: N
    kernel_height: N
    kernel_width: N
    output_width: N
    stride_h: N
    stride_w: N
    padding_h: N
    padding_w: N
    dilation_h: N
    dilation_w: N
    input_stride_c: N
    input_stride_h: N
    input_stride_w: N
    piece_taps: N  # taps of a piece, whose elements are contiguous in the input
    buffer_stride: N  # from one row of the buffer to the next


def by_tap(module: Module) -> Function:
    """Write the function that lowers windows tap by tap, a row of pixels for each.

    Row number (c − first_channel, u, v) of the buffer holds tap (u, v) of channel c for `pixels`
    pixels from `pixel` on. `image`: the first channel of an image and group.
    """
    copy = copier(module)

    @function(module)
    def lower_by_tap(
        code: Code,
        parameters: LoweringParameters[Value],
        image: Pointer,
        buffer: Pointer,
        first_channel: Value,
        channels: Value,
        pixel: Value,
        pixels: Value,
    ) -> None:
        p = parameters
        output_width, stop = p.output_width, pixel + pixels
        row = code.variable(0)
        with (
            code.loop(first_channel, first_channel + channels) as channel,
            code.loop(0, p.kernel_height) as u,
            code.loop(0, p.kernel_width) as v,
        ):
            line = buffer + row.get() * p.buffer_stride
            plane = image + channel * p.input_stride_c
            # In steps of the stride: the first element at or after column 0, and after the last.
            column, step = v * p.dilation_w - p.padding_w, p.stride_w
            low = ((0 - column).maximum(0) + step - 1) // step
            high = ((p.input_width - column).maximum(0) + step - 1) // step
            with code.loop(pixel // output_width, (stop - 1) // output_width + 1) as i:
                start = (pixel - i * output_width).maximum(0)
                length = (stop - i * output_width).minimum(output_width) - start
                y = i * p.stride_h + u * p.dilation_h - p.padding_h
                inside = _is_inside(y, p.input_height)
                copy.call(
                    target=line + ((i * output_width + start) - pixel),
                    source=plane + (y * p.input_stride_h + start * step + column),
                    step=step,
                    length=length,
                    low=low - start,
                    high=code.select(inside, high - start, 0),
                )
            row.set(row.get() + 1)

    return lower_by_tap


def by_pixel(module: Module) -> Function:
    """Write the function that lowers windows pixel by pixel, a row of taps for each.

    A piece is what is contiguous in the input: the channels of one tap, or those of a whole row of
    taps. Row number p of the buffer holds `pieces` pieces from `first_piece` on of pixel
    `pixel` + p. `image`: the first channel of an image and group.
    """
    copy, copy_pieces = copier(module), _pieces_copier(module)

    @function(module)
    def lower_by_pixel(
        code: Code,
        parameters: LoweringParameters[Value],
        image: Pointer,
        buffer: Pointer,
        first_piece: Value,
        pieces: Value,
        pixel: Value,
        pixels: Value,
    ) -> None:
        p = parameters
        pieces_of_row = p.kernel_width // p.piece_taps
        taps, step, output_width = p.piece_taps, p.stride_w, p.output_width
        length, stop = taps * p.channels, pixel + pixels
        with code.loop(first_piece, first_piece + pieces) as piece:
            u = piece // pieces_of_row
            column = (piece % pieces_of_row) * taps * p.dilation_w - p.padding_w
            # The pixels all of whose piece is within the row: from the first, before the last.
            first_whole = ((0 - column).maximum(0) + step - 1) // step
            last_whole = (p.input_width - column - taps + step).maximum(0) // step
            with code.loop(pixel // output_width, (stop - 1) // output_width + 1) as i:
                y = i * p.stride_h + u * p.dilation_h - p.padding_h
                inside = _is_inside(y, p.input_height)
                start = (pixel - i * output_width).maximum(0)
                end = (stop - i * output_width).minimum(output_width)
                low = code.select(inside, first_whole.maximum(start).minimum(end), end)
                high = last_whole.maximum(low).minimum(end)
                row = image + (y * p.input_stride_h + column * p.input_stride_w)
                line = buffer + (
                    (i * output_width - pixel) * p.buffer_stride + (piece - first_piece) * length
                )
                for edge in ((start, low), (high, end)):
                    with code.loop(*edge) as j:
                        x = j * step + column
                        last = (p.input_width - x).maximum(0) * p.channels
                        copy.call(
                            target=line + j * p.buffer_stride,
                            source=row + j * step * p.input_stride_w,
                            step=1,
                            length=length,
                            low=(0 - x).maximum(0) * p.channels,
                            high=code.select(inside, last, 0),
                        )
                copy_pieces.call(
                    target=line + low * p.buffer_stride,
                    source=row + low * step * p.input_stride_w,
                    length=length,
                    count=high - low,
                    target_stride=p.buffer_stride,
                    source_stride=step * p.input_stride_w,
                )

    return lower_by_pixel


def _is_inside(y: Value, height: Value) -> Value:
    return (y >= 0) & (y < height)


def copier(module: Module) -> Function:
    """Write copy(target, source, step, length, low, high), one vector after the other.

    Whole vectors are stored: what lands beyond the length is overwritten by the next piece, and a
    buffer ends with room for it.
    """

    @function(module)
    def copy(
        code: Code,
        target: Pointer,
        source: Pointer,
        step: Value,
        length: Value,
        low: Value,
        high: Value,
    ) -> None:
        lanes = code.lanes
        # Within the piece: padding may be as wide as 2³¹, and masks compare 32 bits.
        low, high = (bound.maximum(0).minimum(length) for bound in (low, high))
        with code.if_(step.equals(1)):
            # Vectors that touch neither end need no mask; all but one or two are of this kind.
            first = ((low + lanes - 1) // lanes * lanes).minimum(length)
            last = first.maximum(high // lanes * lanes)
            with code.loop(0, first, lanes) as e:
                target[e] = source.masked(between(code, e, low, high), e)
            with code.loop(first, last, lanes) as e:
                target[e] = source.vector(e)
            with code.loop(last, length, lanes) as e:
                target[e] = source.masked(between(code, e, low, high), e)
        with code.else_():
            with code.if_(step.equals(2)):
                # The last whole vector would read one element past the last that is wanted.
                first = ((low + lanes - 1) // lanes * lanes).minimum(length)
                last = first.maximum((high - 1).maximum(0) // lanes * lanes)
                for start, stop in ((code.value(0), first), (last, length)):
                    with code.loop(start, stop, lanes) as e:
                        target[e] = _every_second(code, source + e * 2, e, low, high)
                with code.loop(first, last, lanes) as e:
                    left, right = ((source + e * 2).vector(offset) for offset in (0, lanes))
                    target[e] = code.shuffle(left, right, range(0, 2 * lanes, 2))
            with code.else_(), code.loop(0, length, lanes) as e:
                mask = between(code, e, low, high)
                target[e] = (source + e * step).gather(step, mask)

    return copy


def _pieces_copier(module: Module) -> Function:
    """Write the function that copies `count` pieces of one length, none of which has padding."""

    @function(module)
    def copy_pieces(
        code: Code,
        target: Pointer,
        source: Pointer,
        length: Value,
        count: Value,
        target_stride: Value,
        source_stride: Value,
    ) -> None:
        whole = length - length % code.lanes
        rest = code.first_lanes(length - whole)
        with code.loop(0, count) as piece:
            written, read = target + piece * target_stride, source + piece * source_stride
            with code.loop(0, whole, code.lanes) as e:
                written[e] = read.vector(e)
            with code.if_(length > whole):
                written[whole] = read.masked(rest, whole)

    return copy_pieces


def _every_second(code: Code, source: Pointer, e: Value, low: Value, high: Value) -> Value:
    """Return source[0], source[2], … by two loads and a shuffle."""
    lanes = code.lanes
    halves = [
        # Source position 2e + offset is wanted from 2 · low on, and before 2 · high − 1.
        source.masked(between(code, e * 2 + offset, low * 2, high * 2 - 1), offset)
        for offset in (0, lanes)
    ]
    return code.shuffle(halves[0], halves[1], range(0, 2 * lanes, 2))


def between(code: Code, e: Value, low: Value, high: Value) -> Value:
    """Return the mask of the lanes whose position e, e + 1, … is at least low and below high."""
    lane = code.lane_numbers()
    start, stop = (code.broadcast((bound - e).as_int32()) for bound in (low, high))
    return (lane >= start) & (lane < stop)
