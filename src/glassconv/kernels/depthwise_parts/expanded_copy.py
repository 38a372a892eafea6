"""The copy of the input window of a block of filters for NHWC, with one lane per filter.

    window[c, row, column, lane] = padded input[row, column, channel c of the group of the filter]

So the lanes of a vector are adjacent even if filters share channels. A channel is stored for all
filters of its group as whole vectors in increasing order: what a vector writes past the last filter
of the group is overwritten by the next group, column or row. If groups have as many filters as
channels, vectors of channels are shuffled instead.
"""

from __future__ import annotations

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.kernels.depthwise_parts.nhwc import InputAccess, NhwcParameters
from glassconv.kernels.depthwise_parts.padded_copy import valid_range


def emit_expand(module: Module, access: InputAccess) -> Function:
    """Emit the function that copies the window whose first position is (`top`, `left`)."""
    store_zeros, group_size = _emit_store_zeros(module), access.shuffled_group
    if group_size:
        shuffle_pixels = _emit_shuffle_pixels(module, group_size)
    else:
        copy_pixels, expand_pixels = _emit_copy_pixels(module), _emit_expand_pixels(module)

    @function(module)
    def expand(
        code: Code,
        parameters: NhwcParameters[Value],
        image: Pointer,
        window: Pointer,
        top: Value,
        left: Value,
        first_filter: Value,
    ) -> None:
        p, length = parameters, parameters.column_segment_length
        step = p.column_element_stride * p.input_stride_w
        stop_filter = (first_filter + p.unit_channels).minimum(p.filters)
        group = first_filter // p.group_filters
        stop_group = (stop_filter - 1) // p.group_filters + 1

        def copy(src: Pointer, dst: Pointer, pixels: Value) -> None:
            common: dict[str, Argument] = {
                "parameters": p,
                "src": src,
                "dst": dst,
                "pixels": pixels,
                "step": step,
            }

            if group_size:
                shuffle_pixels.call(**common)
                return
            holds_vectors = p.group_filters.equals(1) & p.group_channels.equals(1)
            with code.if_(holds_vectors & (p.filters >= code.lanes)):
                copy_pixels.call(**common)
            with code.else_():
                expand_pixels.call(
                    groups=stop_group - group,
                    first_length=(group + 1) * p.group_filters - first_filter,
                    stop=stop_filter - first_filter,
                    **common,
                )

        with (
            code.loop(0, 1 if group_size else p.group_channels) as channel,
            code.loop(0, p.row_segments) as row_segment,
            code.loop(0, p.row_segment_length) as row,
            code.loop(0, p.column_segments) as column_segment,
        ):
            y = top + row_segment * p.row_segment_stride + row * p.row_element_stride
            x = left + column_segment * p.column_segment_stride
            low, high = valid_range(p.input_width, x, p.column_element_stride, length)
            is_inside = (y >= 0) & (y < p.input_height) & (low < high)
            low, high = (code.select(is_inside, end, length) for end in (low, high))
            dst_row = (channel * p.row_segments + row_segment) * p.row_segment_length + row
            dst = window + (
                dst_row * p.window_row_stride + column_segment * length * p.unit_channels
            )
            first_channel = group * p.group_channels + channel
            src = image + (y * p.input_stride_h + x * p.input_stride_w + first_channel)
            copy(src + low * step, dst + low * p.unit_channels, high - low)
            for first, stop in ((code.value(0), low), (high, length)):
                store_zeros.call(
                    parameters=p,
                    dst=dst + first * p.unit_channels,
                    length=(stop - first) * p.unit_channels,
                    channels=group_size or 1,
                )

    return expand


def _emit_store_zeros(module: Module) -> Function:
    """Emit the function that stores `length` zeros, a multiple of lanes, for some channels."""

    @function(module)
    def store_zeros(
        code: Code,
        parameters: NhwcParameters[Value],
        dst: Pointer,
        length: Value,
        channels: Value,
    ) -> None:
        with code.loop(0, channels) as channel, code.loop(0, length, code.lanes) as e:
            (dst + channel * parameters.channel_window_size)[e] = code.zeros()

    return store_zeros


def _emit_copy_pixels(module: Module) -> Function:
    """Emit the function that copies pixels if each channel has one filter."""

    @function(module)
    def copy_pixels(
        code: Code,
        parameters: NhwcParameters[Value],
        src: Pointer,
        dst: Pointer,
        pixels: Value,
        step: Value,
    ) -> None:
        unit_channels = parameters.unit_channels
        with code.loop(0, pixels) as pixel:
            src_pixel, dst_pixel = src + pixel * step, dst + pixel * unit_channels
            with code.loop(0, unit_channels, code.lanes) as lane:
                dst_pixel[lane] = src_pixel.vector(lane)

    return copy_pixels


def _emit_shuffle_pixels(module: Module, group_size: int) -> Function:
    """Emit the function that stores channel c of each group for all its filters, for each c.

    group_size: channels, and filters, of a group.
    """

    @function(module)
    def shuffle_pixels(
        code: Code,
        parameters: NhwcParameters[Value],
        src: Pointer,
        dst: Pointer,
        pixels: Value,
        step: Value,
    ) -> None:
        p, unit_channels = parameters, parameters.unit_channels
        first_lanes = [lane // group_size * group_size for lane in range(code.lanes)]
        with code.loop(0, pixels) as pixel, code.loop(0, unit_channels, code.lanes) as lane:
            vector = (src + (pixel * step + lane)).vector()
            dst_ptr = dst + (pixel * unit_channels + lane)
            for c in range(group_size):
                dst_ptr[0] = code.shuffle(vector, vector, [first + c for first in first_lanes])
                dst_ptr = dst_ptr + p.channel_window_size

    return shuffle_pixels


def _emit_expand_pixels(module: Module) -> Function:
    """Emit the function that stores a channel of each group once for each filter of the group.

    `first_length` is the number of filters of the first group that are in the window, and `stop`
    that of all groups.
    """

    @function(module)
    def expand_pixels(
        code: Code,
        parameters: NhwcParameters[Value],
        src: Pointer,
        dst: Pointer,
        pixels: Value,
        step: Value,
        groups: Value,
        first_length: Value,
        stop: Value,
    ) -> None:
        p, unit_channels = parameters, parameters.unit_channels
        with code.loop(0, pixels) as pixel:
            src_pixel, dst_pixel = src + pixel * step, dst + pixel * unit_channels
            start, end = code.variable(0), code.variable(first_length)
            with code.loop(0, groups) as group:
                value = code.broadcast(src_pixel[group * p.group_channels])
                with code.loop(start.get(), end.get().minimum(stop), code.lanes) as lane:
                    dst_pixel[lane] = value
                start.set(end.get())
                end.set(end.get() + p.group_filters)

    return expand_pixels
