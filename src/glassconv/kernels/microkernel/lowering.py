"""Lowering: windows laid out for a product, a block at a time, in a buffer that stays in cache.

    by_tap    buffer[k, pixel]   for pictures whose rows are contiguous (NCHW): k = (c, u, v)
    by_pixel  buffer[pixel, k]   for pictures whose channels are contiguous (NHWC): k = (u, v, c)

Both copy pieces of rows: element e of a piece is source[e · step] if low ≤ e < high, and otherwise
zero, for there it stands on padding. Padding is never written anywhere but here.
"""

from __future__ import annotations

from glassconv.codegen.ir import INT, POINTER, Code, Module, Pointer, Value
from glassconv.kernels.runtime.parameters import Sizes


def by_tap(module: Module, names: tuple[str, ...]) -> Code:
    """Write the function that lays windows out tap by tap, a row of pixels for each.

    It takes (plan, input, buffer, first channel, channels, first pixel, pixels).
    """
    copy = copier(module)
    code = Code(module, "lower_by_tap", [POINTER] * 3 + [INT] * 4)
    plan, picture, buffer, first, channels, pixel, pixels = code.arguments()
    size = Sizes(code, plan, names)
    out_w, stop = size.out_w, pixel + pixels
    row = code.variable(0)
    with (
        code.loop(first, first + channels) as channel,
        code.loop(0, size.kernel_h) as u,
        code.loop(0, size.kernel_w) as v,
    ):
        line = buffer + row.get() * size.buffer_row
        plane = picture + channel * size.input_c
        # In steps of the stride: the first element at or after column 0, and after the last.
        column, step = v * size.dilation_w - size.padding_w, size.stride_w
        low = ((0 - column).maximum(0) + step - 1) // step
        high = ((size.in_w - column).maximum(0) + step - 1) // step
        with code.loop(pixel // out_w, (stop - 1) // out_w + 1) as i:
            start = (pixel - i * out_w).maximum(0)
            length = (stop - i * out_w).minimum(out_w) - start
            y = i * size.stride_h + u * size.dilation_h - size.padding_h
            inside = _inside(code, y, size.in_h)
            code.call_function(
                copy,
                line + ((i * out_w + start) - pixel),
                plane + (y * size.input_h + start * step + column),
                step,
                length,
                low - start,
                code.select(inside, high - start, 0),
            )
        row.set(row.get() + 1)
    code.finish()
    return code


def by_pixel(module: Module, names: tuple[str, ...]) -> Code:
    """Write the function that lays windows out pixel by pixel, a row of taps for each.

    It takes (plan, input, buffer, first piece, pieces, first pixel, pixels). A piece is what lies
    together in memory: a tap's channels, or a whole row of taps.
    """
    copy, pieces_within = copier(module), pieces_copier(module)
    code = Code(module, "lower_by_pixel", [POINTER] * 3 + [INT] * 4)
    plan, picture, buffer, first, pieces, pixel, pixels = code.arguments()
    size = Sizes(code, plan, names)
    per_row, taps, step = size.kernel_w // size.piece_taps, size.piece_taps, size.stride_w
    length, out_w, stop = taps * size.channels, size.out_w, pixel + pixels
    with code.loop(first, first + pieces) as piece:
        u, column = piece // per_row, (piece % per_row) * taps * size.dilation_w - size.padding_w
        # Where all of a piece lies within the row.
        from_left = ((0 - column).maximum(0) + step - 1) // step
        to_right = (size.in_w - column - taps + step).maximum(0) // step
        with code.loop(pixel // out_w, (stop - 1) // out_w + 1) as i:
            y = i * size.stride_h + u * size.dilation_h - size.padding_h
            inside = _inside(code, y, size.in_h)
            start = (pixel - i * out_w).maximum(0)
            end = (stop - i * out_w).minimum(out_w)
            low = code.select(inside, from_left.maximum(start).minimum(end), end)
            high = to_right.maximum(low).minimum(end)
            row = picture + (y * size.input_h + column * size.input_w)
            line = buffer + ((i * out_w - pixel) * size.buffer_row + (piece - first) * length)
            for edge in ((start, low), (high, end)):
                with code.loop(*edge) as j:
                    x = j * step + column
                    code.call_function(
                        copy,
                        line + j * size.buffer_row,
                        row + j * step * size.input_w,
                        1,
                        length,
                        (0 - x).maximum(0) * size.channels,
                        code.select(inside, (size.in_w - x).maximum(0) * size.channels, 0),
                    )
            code.call_function(
                pieces_within,
                line + low * size.buffer_row,
                row + low * step * size.input_w,
                length,
                high - low,
                size.buffer_row,
                step * size.input_w,
            )
    code.finish()
    return code


def _inside(code: Code, y: Value, height: Value) -> Value:
    return (y >= 0) & (y < height)


def copier(module: Module) -> Code:
    """Write copy(target, source, step, length, low, high), one vector after the other.

    Whole vectors are stored: what lands beyond the length is overwritten by the next piece, and a
    buffer ends with room for it.
    """
    code = Code(module, "copy", [POINTER] * 2 + [INT] * 4)
    target, source, step, length, low, high = code.arguments()
    lanes = code.lanes
    # Within the piece: padding may be as wide as 2³¹, and masks compare 32 bits.
    low, high = (each.maximum(0).minimum(length) for each in (low, high))
    with code.either(step.equals(1)) as (together, apart):
        with together:
            # Vectors that touch neither end need no mask; all but one or two are of this kind.
            first = ((low + lanes - 1) // lanes * lanes).minimum(length)
            last = first.maximum(high // lanes * lanes)
            with code.loop(0, first, lanes) as e:
                target[e] = source.masked(between(code, e, low, high), e)
            with code.loop(first, last, lanes) as e:
                target[e] = source.vector(e)
            with code.loop(last, length, lanes) as e:
                target[e] = source.masked(between(code, e, low, high), e)
        with apart, code.either(step.equals(2)) as (two, more):
            with two:
                # The last whole vector would read one element past the last that is wanted.
                first = ((low + lanes - 1) // lanes * lanes).minimum(length)
                last = first.maximum((high - 1).maximum(0) // lanes * lanes)
                for start, stop in ((code.value(0), first), (last, length)):
                    with code.loop(start, stop, lanes) as e:
                        target[e] = _every_second(code, source + e * 2, e, low, high)
                with code.loop(first, last, lanes) as e:
                    left, right = ((source + e * 2).vector(p) for p in (0, lanes))
                    target[e] = code.shuffle(left, right, range(0, 2 * lanes, 2))
            with more, code.loop(0, length, lanes) as e:
                mask = between(code, e, low, high)
                target[e] = (source + e * step).gather(step, mask)
    code.finish()
    return code


def pieces_copier(module: Module) -> Code:
    """Write copy_pieces(target, source, length, count, target step, source step), no padding."""
    code = Code(module, "copy_pieces", [POINTER] * 2 + [INT] * 4)
    target, source, length, count, target_step, source_step = code.arguments()
    whole = length - length % code.lanes
    rest = code.first_lanes(length - whole)
    with code.loop(0, count) as piece:
        to, of = target + piece * target_step, source + piece * source_step
        with code.loop(0, whole, code.lanes) as e:
            to[e] = of.vector(e)
        with code.when(length > whole):
            to[whole] = of.masked(rest, whole)
    code.finish()
    return code


def _every_second(code: Code, source: Pointer, e: Value, low: Value, high: Value) -> Value:
    """Return source[0], source[2], … by two loads and a shuffle."""
    lanes = code.lanes
    halves = [
        # Source position 2e + p is wanted from 2 · low on, and before 2 · high − 1.
        source.masked(between(code, e * 2 + p, low * 2, high * 2 - 1), p)
        for p in (0, lanes)
    ]
    return code.shuffle(halves[0], halves[1], range(0, 2 * lanes, 2))


def between(code: Code, e: Value, low: Value, high: Value) -> Value:
    """Return the mask of the lanes whose position e, e + 1, … is at least low and below high."""
    lane = code.lane_numbers()
    start, stop = (code.spread(code.narrow(each - e)) for each in (low, high))
    return (lane >= start) & (lane < stop)
