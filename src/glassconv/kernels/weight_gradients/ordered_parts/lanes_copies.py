"""Copies of planes with filters side by side, from channels first and from channels last."""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N
from glassconv.kernels.ordered_parts.filters_in_lanes import FilterParameters, filters_of_lanes


@dataclass(frozen=True)
class FilterGradientParameters(FilterParameters[N]):
    """The kernel's parameters; the strides of the output are those of its gradient.

    A table follows, of the elements from a window's first input to the one of each tap.
    """

    batch: N
    channels_last_stride: N  # from one pixel to the next, of input and output gradient
    first_part: N  # of the tasks, which count from it
    images_per_part: N
    part_stride: N  # of the sums
    sums_stride: N  # from one tap to the next
    block_start: N  # elements before a block's sums in the workspace


def emit_transpose_grads(module: Module) -> Function:
    """Emit the function that copies output gradients as [pixel, lane], from channels first."""

    @function(module)
    def transpose_grads(
        code: Code,
        parameters: FilterParameters[Value],
        grad: Pointer,
        copied: Pointer,
        filter: Value,
        pixels: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        planes = [grad + each * p.output_stride_c for each in filters_of_lanes(p, filter, lanes)]
        whole = pixels - pixels % lanes
        tail = code.first_lanes(pixels - whole)

        def put(pixel: Value, vectors: list[Value]) -> None:
            for i, vector in enumerate(code.transpose(vectors)):
                copied[(pixel + i) * lanes] = vector

        with code.loop(0, whole, lanes) as pixel:
            put(pixel, [plane.vector(pixel) for plane in planes])
        with code.if_(pixels > whole):
            put(whole, [plane.masked(tail, whole) for plane in planes])

    return transpose_grads


def emit_copy_window(module: Module) -> Function:
    """Emit the function that copies rows as [row, column, lane], padded, from channels last."""

    @function(module)
    def copy_window(
        code: Code,
        parameters: FilterGradientParameters[Value],
        image: Pointer,
        window: Pointer,
        filter: Value,
        top: Value,
        rows: Value,
    ) -> None:
        p, lanes, width = parameters, code.lanes, parameters.window_width
        exist = code.first_lanes(p.filters - filter)
        left = p.padding_w.minimum(width)
        end = left + (width - left).minimum(p.input_width)

        def clear(line: Pointer, start: Value | int, stop: Value) -> None:
            with code.loop(start, stop) as column:
                line[column * lanes] = code.zeros()

        with code.loop(0, rows) as row:
            y, line = top + row, window + row * width * lanes
            with code.if_((y >= 0) & (y < p.input_height)):
                pixels = image + (y * p.input_stride_h + filter)
                clear(line, 0, left)
                with code.loop(left, end) as column:
                    pixel = pixels + (column - left) * p.channels_last_stride
                    line[column * lanes] = pixel.masked(exist)
                clear(line, end, width)
            with code.else_():
                clear(line, 0, width)

    return copy_window


def emit_copy_grads(module: Module) -> Function:
    """Emit the function that copies output gradients as [pixel, lane], from channels last."""

    @function(module)
    def copy_grads(
        code: Code,
        parameters: FilterGradientParameters[Value],
        grad: Pointer,
        copied: Pointer,
        filter: Value,
        pixels: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        exist = code.first_lanes(p.filters - filter)
        with code.loop(0, pixels) as pixel:
            given = grad + (pixel * p.channels_last_stride + filter)
            copied[pixel * lanes] = given.masked(exist)

    return copy_grads
