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
        p = parameters
        filter, number = number % p.filter_blocks * p.filter_block, number // p.filter_blocks
        segment, number = number % p.channel_blocks * p.channel_block, number // p.channel_blocks
        group, part = number % p.groups, number // p.groups
        filters = (p.filters - filter).minimum(p.filter_block)
        segments = (p.segments - segment).minimum(p.channel_block)
        padded = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        ones, buffer = padded + p.ones, padded + p.buffer
        input = arrays.input + group * p.channels
        grad = arrays.grad + (group * p.filters + filter)
        sums = arrays.sums + (part * p.part_stride + group * p.group_stride + filter)
        is_lowered = p.needs_lowering.equals(1)
        adds_bias = p.with_bias.equals(1) & (segment + segments).equals(p.segments)
        with code.if_(adds_bias), code.loop(0, p.images_per_block * p.pixel_block) as i:
            ones[i] = code.value(1.0, code.float)
        first = part * p.blocks_per_part
        with code.loop(first, (first + p.blocks_per_part).minimum(p.blocks)) as block:
            image = block // p.blocks_per_image * p.images_per_block
            pixel = block % p.blocks_per_image * p.pixel_block
            images = (p.batch - image).minimum(p.images_per_block)
            pixels = (p.pixels - pixel).minimum(p.pixel_block)
            with code.loop(0, images) as i:
                copy_filters.call(
                    source=grad + ((image + i) * p.grad_stride_n + pixel * p.grad_stride_w),
                    to=padded + i * pixels * p.padded_filters,
                    pixels=pixels,
                    filters=filters,
                    source_stride=p.grad_stride_w,
                    to_stride=p.padded_filters,
                )
                with code.if_(is_lowered):
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
            columns = (filters + (width - 1)) // width * width
            k, is_first = images * pixels, block.equals(first).as_int()
            multiply.call(
                a=code.select_pointer(is_lowered, buffer, in_place),
                b=padded,
                c=sums + segment * p.segment_length * p.sums_stride,
                m=segments * p.segment_length,
                n=columns,
                k=k,
                a_stride=code.select(is_lowered, p.buffer_stride, p.input_stride_w),
                b_stride=p.padded_filters,
                c_stride=p.sums_stride,
                first=is_first,
            )
            with code.if_(adds_bias):
                multiply.call(
                    a=ones,
                    b=padded,
                    c=sums + p.rows * p.sums_stride,
                    m=1,
                    n=columns,
                    k=k,
                    a_stride=1,
                    b_stride=p.padded_filters,
                    c_stride=p.sums_stride,
                    first=is_first,
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
