"""Lowering: im2col one block at a time, into a buffer that stays in cache.

    NCHW   buffer[k, pixel]   k = (channel, u, v) for tap (u, v)
    NHWC   buffer[pixel, k]   k = (u, v, channel)

Both copy segments of rows, with zeros in the padding (padded_row.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct
from glassconv.kernels.microkernel.padded_row import (
    emit_copy,
    load_stride_2,
    range_mask,
    stride_2_masks,
    whole_stride_2,
)

MAX_COLUMNS = 8  # vectors of an output row; longer rows are copied one by one


@dataclass(frozen=True)
class LoweringParameters(Struct[N]):
    """The shape and strides of the input, the convolution, and the buffer."""

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
    taps_per_segment: N  # NHWC: adjacent taps whose channels are contiguous in the input
    buffer_stride: N  # elements from one row of the buffer to the next


def emit_im2col_nchw(module: Module) -> Function:
    """Emit the function that performs im2col with k as the row index of the buffer.

    Row (c − first_channel, u, v) of the buffer holds tap (u, v) of channel c for the pixels
    [pixel, pixel + pixels). `image` points to the first channel of an image and group. After its
    pixels, a row of the buffer has room for a vector.
    """
    lower_tap = emit_lower_tap(module)

    @function(module)
    def im2col_nchw(
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
        channel_stride = p.kernel_height * p.kernel_width * p.buffer_stride
        with code.loop(0, p.kernel_height) as u, code.loop(0, p.kernel_width) as v:
            lower_tap.call(
                parameters=p,
                image=image + first_channel * p.input_stride_c,
                buffer=buffer + (u * p.kernel_width + v) * p.buffer_stride,
                channel_stride=channel_stride,
                channels=channels,
                u=u,
                v=v,
                pixel=pixel,
                pixels=pixels,
            )

    return im2col_nchw


def emit_lower_tap(module: Module) -> Function:
    """Emit the function that lowers one tap of some channels in NCHW.

    Row c · channel_stride of the buffer gets tap (u, v) of channel c of `image`.

    Short output rows are copied one column of vectors at a time: all rows of all channels have the
    same padding there, so its mask is computed once. The last vector of a row ends where the row
    ends. Of a part of a row, or of one shorter than a vector, it may write past the end, which is
    overwritten by what is copied next.
    """
    copy, copy_column = emit_copy(module), _emit_copy_column(module)

    @function(module)
    def lower_tap(
        code: Code,
        parameters: LoweringParameters[Value],
        image: Pointer,
        buffer: Pointer,
        channel_stride: Value,
        channels: Value,
        u: Value,
        v: Value,
        pixel: Value,
        pixels: Value,
    ) -> None:
        p, width, lanes = parameters, parameters.output_width, code.lanes
        stop = pixel + pixels
        first_row, end_row = pixel // width, (stop + width - 1) // width
        by_column = width <= MAX_COLUMNS * lanes
        # The first and the last row of outputs may be incomplete.
        first_complete = code.select(by_column, (pixel + width - 1) // width, end_row)
        first_complete = first_complete.minimum(end_row)
        end_complete = first_complete.maximum(stop // width)
        last_vector = (width - lanes).maximum(0)
        y, x = u * p.dilation_h - p.padding_h, v * p.dilation_w - p.padding_w
        low, high = outputs_inside(x, p.input_width, p.stride_w)
        top, bottom = outputs_inside(y, p.input_height, p.stride_h)
        # Element 0 of the first row of outputs, which may be before the buffer or the image.
        dst, src = buffer + (0 - pixel), image + (y * p.input_stride_h + x)
        src_row_stride = p.stride_h * p.input_stride_h

        def copy_vectors(row: Value, rows: Value, e: Value, high: Value) -> None:
            copy_column.call(
                parameters=p,
                dst=dst + (row * width + e),
                src=src + (row * src_row_stride + e * p.stride_w),
                channel_stride=channel_stride,
                channels=channels,
                rows=rows,
                low=low - e,
                high=high - e,
            )

        def copy_row(row: Value) -> None:
            start = (pixel - row * width).maximum(0)
            end = (stop - row * width).minimum(width)
            inside = (row >= top) & (row < bottom)
            row_high = code.select(inside, high, 0)
            with code.if_(by_column), code.loop(start, end, lanes) as e:
                copy_vectors(row, code.value(1), e, row_high)
            with code.else_(), code.loop(0, channels) as channel:
                copy.call(
                    dst=dst + (row * width + start) + channel * channel_stride,
                    src=src
                    + (row * src_row_stride + start * p.stride_w)
                    + channel * p.input_stride_c,
                    step=p.stride_w,
                    length=end - start,
                    low=low - start,
                    high=row_high - start,
                )

        def fill_rows_with_zeros(first: Value, end: Value) -> None:
            with code.loop(0, channels) as channel:
                row = dst + channel * channel_stride
                with code.loop(first * width, end * width, lanes) as e:
                    row[e] = code.zeros()

        with code.loop(first_row, first_complete) as row:
            copy_row(row)
        first_copied = top.maximum(first_complete).minimum(end_complete)
        end_copied = bottom.maximum(first_copied).minimum(end_complete)
        fill_rows_with_zeros(first_complete, first_copied)
        with code.if_(end_copied > first_copied), code.loop(0, width, lanes) as e:
            copy_vectors(first_copied, end_copied - first_copied, e.minimum(last_vector), high)
        fill_rows_with_zeros(end_copied, end_complete)
        with code.loop(end_complete, end_row) as row:
            copy_row(row)

    return lower_tap


def _emit_copy_column(module: Module) -> Function:
    """Emit the function that copies one vector of each of some rows of each channel.

    Lane e of a vector is src[e · stride_w] if low ≤ e < high, otherwise zero.
    """

    @function(module)
    def copy_column(
        code: Code,
        parameters: LoweringParameters[Value],
        dst: Pointer,
        src: Pointer,
        channel_stride: Value,
        channels: Value,
        rows: Value,
        low: Value,
        high: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        src_row_stride = p.stride_h * p.input_stride_h
        # Clamped to a vector, because padding can exceed 2³¹ and masks compare 32 bits.
        start = code.value(0)
        low, high = low.maximum(0).minimum(lanes), high.maximum(0).minimum(lanes)
        mask, halves = range_mask(code, start, low, high), stride_2_masks(code, start, low, high)
        is_whole = low.equals(0) & high.equals(lanes)

        def copy(load: Callable[[Pointer], Value]) -> None:
            with code.loop(0, channels) as channel:
                dst_channel = dst + channel * channel_stride
                src_channel = src + channel * p.input_stride_c
                with code.loop(0, rows) as row:
                    dst_channel[row * p.output_width] = load(src_channel + row * src_row_stride)

        with code.if_(p.stride_w.equals(1)):
            with code.if_(is_whole):
                copy(lambda row: row.vector())
            with code.else_():
                copy(lambda row: row.masked(mask))
        with code.else_():
            with code.if_(p.stride_w.equals(2)):
                with code.if_(is_whole):
                    copy(lambda row: whole_stride_2(code, row))
                with code.else_():
                    copy(lambda row: load_stride_2(code, row, halves))
            with code.else_():
                # Loading elements one by one takes less time than a gather on AVX2.
                with code.if_(is_whole):
                    copy(lambda row: code.join([row[i * p.stride_w] for i in range(lanes)]))
                with code.else_():
                    copy(lambda row: row.gather(p.stride_w, mask))

    return copy_column


def emit_im2col_nhwc(module: Module) -> Function:
    """Emit the function that performs im2col with the pixel as the row index of the buffer.

    A segment is contiguous in the input: the channels of one tap, or of a whole kernel row. Row p
    of the buffer holds the segments [first_segment, first_segment + segments) of pixel `pixel` + p.
    `image` points to the first channel of an image and group.
    """
    lower_segment = emit_lower_segment(module)

    @function(module)
    def im2col_nhwc(
        code: Code,
        parameters: LoweringParameters[Value],
        image: Pointer,
        buffer: Pointer,
        first_segment: Value,
        segments: Value,
        pixel: Value,
        pixels: Value,
    ) -> None:
        p = parameters
        length = p.taps_per_segment * p.channels
        with code.loop(first_segment, first_segment + segments) as segment:
            lower_segment.call(
                parameters=p,
                image=image,
                buffer=buffer + (segment - first_segment) * length,
                segment=segment,
                first=0,
                length=length,
                pixel=pixel,
                pixels=pixels,
            )

    return im2col_nhwc


def emit_lower_segment(module: Module) -> Function:
    """Emit the function that lowers `length` elements of a segment in NHWC, from the one `first`.

    Row p of the buffer gets those of pixel `pixel` + p.
    """
    copy, copy_segments = emit_copy(module), _emit_copy_segments(module)

    @function(module)
    def lower_segment(
        code: Code,
        parameters: LoweringParameters[Value],
        image: Pointer,
        buffer: Pointer,
        segment: Value,
        first: Value,
        length: Value,
        pixel: Value,
        pixels: Value,
    ) -> None:
        p = parameters
        segments_per_row = p.kernel_width // p.taps_per_segment
        taps, step, output_width = p.taps_per_segment, p.stride_w, p.output_width
        stop = pixel + pixels
        u = segment // segments_per_row
        column = (segment % segments_per_row) * taps * p.dilation_w - p.padding_w
        # The range of output columns for which the whole segment is inside the input row.
        first_inside = ((0 - column).maximum(0) + step - 1) // step
        end_inside = (p.input_width - column - taps + step).maximum(0) // step
        with code.loop(pixel // output_width, (stop - 1) // output_width + 1) as i:
            y = i * p.stride_h + u * p.dilation_h - p.padding_h
            inside = _is_inside(y, p.input_height)
            start = (pixel - i * output_width).maximum(0)
            end = (stop - i * output_width).minimum(output_width)
            low = code.select(inside, first_inside.maximum(start).minimum(end), end)
            high = end_inside.maximum(low).minimum(end)
            row = image + (y * p.input_stride_h + column * p.input_stride_w + first)
            dst_row = buffer + (i * output_width - pixel) * p.buffer_stride
            for first_column, stop_column in ((start, low), (high, end)):
                with code.loop(first_column, stop_column) as j:
                    x = j * step + column
                    last = (p.input_width - x).maximum(0) * p.channels - first
                    copy.call(
                        dst=dst_row + j * p.buffer_stride,
                        src=row + j * step * p.input_stride_w,
                        step=1,
                        length=length,
                        low=(0 - x).maximum(0) * p.channels - first,
                        high=code.select(inside, last, 0),
                    )
            copy_segments.call(
                dst=dst_row + low * p.buffer_stride,
                src=row + low * step * p.input_stride_w,
                length=length,
                count=high - low,
                dst_stride=p.buffer_stride,
                src_stride=step * p.input_stride_w,
            )

    return lower_segment


def outputs_inside(offset: Value, size: Value, stride: Value) -> tuple[Value, Value]:
    """Return the range [low, high) of outputs o with 0 ≤ o · stride + offset < size."""
    edges = (offset.code.value(0), size)
    low, high = (((edge - offset).maximum(0) + (stride - 1)) // stride for edge in edges)
    return low, high


def _is_inside(y: Value, height: Value) -> Value:
    return (y >= 0) & (y < height)


def _emit_copy_segments(module: Module) -> Function:
    """Emit the function that copies `count` segments of one length without padding."""

    @function(module)
    def copy_segments(
        code: Code,
        dst: Pointer,
        src: Pointer,
        length: Value,
        count: Value,
        dst_stride: Value,
        src_stride: Value,
    ) -> None:
        vector_stop = length - length % code.lanes
        tail_mask = code.first_lanes(length - vector_stop)
        with code.loop(0, count) as segment:
            dst_segment, src_segment = dst + segment * dst_stride, src + segment * src_stride
            with code.loop(0, vector_stop, code.lanes) as e:
                dst_segment[e] = src_segment.vector(e)
            with code.if_(length > vector_stop):
                dst_segment[vector_stop] = src_segment.masked(tail_mask, vector_stop)

    return copy_segments
