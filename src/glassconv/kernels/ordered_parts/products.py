"""The tasks of the ordered kernel by matrix products: implicit GEMM with k in the published order.

k = (u, v, channel) in both memory layouts, and a block of k is a chain of the published order. It
is cut where the order says, in the midst of a tap, so the lowering copies parts of taps. A register
tile starts its accumulators at zero, and adds their sums to what C holds, the bias at first.
"""

from __future__ import annotations

from glassconv.algorithms.ordered import BLOCK
from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.gemm_parts.parameters import GemmParameters
from glassconv.kernels.gemm_parts.task import start_of
from glassconv.kernels.microkernel.lowering import emit_lower_segment, emit_lower_tap
from glassconv.kernels.microkernel.matrix_product import ROWS, Product, product
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import Epilogue


def emit_task_nchw(module: Module, epilogue: Epilogue) -> Function:
    """Emit the task function: output[filters, pixels] = weight[filters, k] · lowered[k, pixels]."""
    lower, multiply = _emit_lower_nchw(module), product(module, ROWS, epilogue, prefetches_b=False)

    @function(module)
    def task(
        code: Code,
        parameters: GemmParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, at = parameters, start_of(parameters, number)
        buffer = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        pixels = (p.pixels - at.pixel).minimum(p.pixel_block)
        image = arrays.input + (
            at.image * p.input_stride_n + at.group * p.channels * p.input_stride_c
        )
        first = at.group * p.filters + at.filter
        output = arrays.output + (
            at.image * p.output_stride_n + first * p.output_stride_c + at.pixel
        )
        is_lowered = p.needs_lowering.equals(1)
        with code.loop(0, p.k, BLOCK) as k:
            stop = (k + BLOCK).minimum(p.k)
            with code.if_(is_lowered):
                lower.call(
                    parameters=p,
                    image=image,
                    buffer=buffer,
                    first=k,
                    stop=stop,
                    pixel=at.pixel,
                    pixels=pixels,
                )
            in_place = image + (k * p.input_stride_c + at.pixel)
            multiply.call(
                a=arrays.weight + (first * p.k + k),
                b=code.select_pointer(is_lowered, buffer, in_place),
                c=output,
                bias=arrays.bias + first,
                m=(p.filters - at.filter).minimum(p.filter_block),
                n=pixels,
                k=stop - k,
                a_stride=p.k,
                b_panel_stride=multiply.width,
                b_row_stride=code.select(is_lowered, p.buffer_stride, p.input_stride_c),
                c_stride=p.output_stride_c,
                first=k.equals(0).as_int(),
                last=stop.equals(p.k).as_int(),
                residual_offset=residual_offset(arrays),
            )

    return task


def _emit_lower_nchw(module: Module) -> Function:
    """Emit the function that lowers the products [first, stop): row k − first gets k's inputs."""
    lower_tap = emit_lower_tap(module)

    @function(module)
    def lower(
        code: Code,
        parameters: GemmParameters[Value],
        image: Pointer,
        buffer: Pointer,
        first: Value,
        stop: Value,
        pixel: Value,
        pixels: Value,
    ) -> None:
        p, channels = parameters, parameters.channels
        with code.loop(first // channels, (stop + channels - 1) // channels) as tap:
            start, end = (tap * channels).maximum(first), ((tap + 1) * channels).minimum(stop)
            lower_tap.call(
                parameters=p,
                image=image + (start - tap * channels) * p.input_stride_c,
                buffer=buffer + (start - first) * p.buffer_stride,
                channel_stride=p.buffer_stride,
                channels=end - start,
                u=tap // p.kernel_width,
                v=tap % p.kernel_width,
                pixel=pixel,
                pixels=pixels,
            )

    return lower


def emit_block_nhwc(module: Module, multiply: Product) -> Function:
    """Emit the function that multiplies the pixels and the filters of a task in NHWC.

    packed: the panels of its filters.
    """
    lower, width = _emit_lower_nhwc(module), multiply.width

    @function(module)
    def multiply_block(
        code: Code,
        parameters: GemmParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        packed: Pointer,
        buffer: Pointer,
    ) -> None:
        p, at = parameters, start_of(parameters, number)
        pixels = (p.pixels - at.pixel).minimum(p.pixel_block)
        filters = (p.filters - at.filter).minimum(p.filter_block)
        image = arrays.input + (at.image * p.input_stride_n + at.group * p.channels)
        first = at.group * p.filters + at.filter
        output = arrays.output + (
            at.image * p.output_stride_n + at.pixel * p.output_stride_w + first
        )
        is_lowered, panel = p.needs_lowering.equals(1), p.k * width
        with code.loop(0, p.k, BLOCK) as k:
            stop = (k + BLOCK).minimum(p.k)
            with code.if_(is_lowered):
                lower.call(
                    parameters=p,
                    image=image,
                    buffer=buffer,
                    first=k,
                    stop=stop,
                    pixel=at.pixel,
                    pixels=pixels,
                )
            in_place = image + (at.pixel * p.input_stride_w + k)
            rows = code.select_pointer(is_lowered, buffer, in_place)
            stride = code.select(is_lowered, p.buffer_stride, p.input_stride_w)
            with code.loop(0, filters, p.filters_in_l2) as filter:
                multiply.call(
                    a=rows,
                    b=packed + (filter * p.k + k * width),
                    c=output + filter,
                    bias=arrays.bias + (first + filter),
                    m=pixels,
                    n=(filters - filter).minimum(p.filters_in_l2),
                    k=stop - k,
                    a_stride=stride,
                    b_panel_stride=panel,
                    b_row_stride=width,
                    c_stride=p.output_stride_w,
                    first=k.equals(0).as_int(),
                    last=stop.equals(p.k).as_int(),
                    residual_offset=residual_offset(arrays),
                )

    return multiply_block


def _emit_lower_nhwc(module: Module) -> Function:
    """Emit the function that lowers the products [first, stop), a row for each pixel."""
    lower_segment = emit_lower_segment(module)

    @function(module)
    def lower(
        code: Code,
        parameters: GemmParameters[Value],
        image: Pointer,
        buffer: Pointer,
        first: Value,
        stop: Value,
        pixel: Value,
        pixels: Value,
    ) -> None:
        p, length = parameters, parameters.segment_length
        with code.loop(first // length, (stop + length - 1) // length) as segment:
            start = (segment * length).maximum(first)
            lower_segment.call(
                parameters=p,
                image=image,
                buffer=buffer + (start - first),
                segment=segment,
                first=start - segment * length,
                length=((segment + 1) * length).minimum(stop) - start,
                pixel=pixel,
                pixels=pixels,
            )

    return lower
