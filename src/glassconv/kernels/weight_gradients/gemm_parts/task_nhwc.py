"""The task of the weight gradient in channels last: for each block of pixels, a product.

    sums[row, filter] += lowered[pixel, row] · padded[pixel, filter]

A row is a tap and a channel, as channels last has them. Both matrices have pixels as rows, so the
register tile reads a column of the lowered input. The output's gradient is copied with its filters
padded to whole panels. The bias's gradient is one more row, that of ones.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.microkernel.lowering import emit_im2col_nhwc
from glassconv.kernels.weight_gradients.gemm_parts.parameters import (
    GradientArrays,
    GradientParameters,
)
from glassconv.kernels.weight_gradients.gemm_parts.part import blocks_of_part, emit_part
from glassconv.kernels.weight_gradients.gemm_parts.transposed_product import (
    emit_transposed_product,
)


def emit_task_nhwc(module: Module) -> Function:
    """Emit the task function: the partial sums of some segments and filters, over a part."""
    im2col, multiply = emit_im2col_nhwc(module), emit_transposed_product(module)
    copy_filters = _emit_copy_filters(module)
    width = module.target.tile()[1] * module.target.lanes(module.dtype)

    @function(module)
    def task(
        code: Code,
        parameters: GradientParameters[Value],
        arrays: GradientArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, part = parameters, emit_part(code, parameters, arrays, number, thread)
        padded, buffer, filters = part.gradients, part.buffer, part.filters
        segment, segments = part.segment, part.segments
        input = arrays.input + part.group * p.channels
        grad = arrays.grad + (part.group * p.filters + part.filter)
        columns = (filters + (width - 1)) // width * width
        with blocks_of_part(code, p, part) as block:
            image, pixel, pixels = block.image, block.pixel, block.pixels
            with code.loop(0, block.images) as i:
                copy_filters.call(
                    source=grad + ((image + i) * p.grad_stride_n + pixel * p.grad_stride_w),
                    to=padded + i * pixels * p.padded_filters,
                    pixels=pixels,
                    filters=filters,
                    source_stride=p.grad_stride_w,
                    to_stride=p.padded_filters,
                )
                with code.if_(part.is_lowered):
                    im2col.call(
                        parameters=p,
                        image=input + (image + i) * p.input_stride_n,
                        buffer=buffer + i * pixels * p.buffer_stride,
                        first_segment=segment,
                        segments=segments,
                        pixel=pixel,
                        pixels=pixels,
                    )
            in_place = input + (image * p.input_stride_n + pixel * p.input_stride_w + segment)
            k = block.images * pixels
            multiply.call(
                a=code.select_pointer(part.is_lowered, buffer, in_place),
                b=padded,
                c=part.sums + segment * p.segment_length * p.sums_stride,
                m=segments * p.segment_length,
                n=columns,
                k=k,
                a_stride=code.select(part.is_lowered, p.buffer_stride, p.input_stride_w),
                b_stride=p.padded_filters,
                c_stride=p.sums_stride,
                first=block.is_first,
            )
            with code.if_(part.adds_bias):
                multiply.call(
                    a=part.ones,
                    b=padded,
                    c=part.sums + p.rows * p.sums_stride,
                    m=1,
                    n=columns,
                    k=k,
                    a_stride=1,
                    b_stride=p.padded_filters,
                    c_stride=p.sums_stride,
                    first=block.is_first,
                )

    return task


def _emit_copy_filters(module: Module) -> Function:
    """Emit the function that copies some filters of each pixel. Those of padding are undefined."""

    @function(module)
    def copy_filters(
        code: Code,
        source: Pointer,
        to: Pointer,
        pixels: Value,
        filters: Value,
        source_stride: Value,
        to_stride: Value,
    ) -> None:
        lanes = code.lanes
        whole = filters - filters % lanes
        exist = code.first_lanes(filters - whole)
        with code.loop(0, pixels) as pixel:
            row, target = source + pixel * source_stride, to + pixel * to_stride
            with code.loop(0, whole, lanes) as filter:
                target[filter] = row.vector(filter)
            with code.if_(whole < filters):
                target[whole] = row.masked(exist, whole)

    return copy_filters
