"""The task of the weight gradient: for each block of pixels, lowering, packing and a product.

    sums[row, filter] += lowered[row, pixel] · packed[pixel, filter]

A row is a channel and a tap. The lowered input is implicit GEMM's; the output's gradient is packed
as the filters of a 1 × 1 kernel are. The bias's gradient is one more row, that of ones.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.gemm_parts.pack import emit_pack
from glassconv.kernels.microkernel.lowering import emit_im2col_nchw
from glassconv.kernels.microkernel.matrix_product import COLUMNS, product
from glassconv.kernels.weight_gradients.gemm_parts.parameters import (
    GradientArrays,
    GradientParameters,
)


def emit_task_nchw(module: Module) -> Function:
    """Emit the task function: the partial sums of some channels and filters, over a part."""
    im2col, multiply = emit_im2col_nchw(module), product(module, COLUMNS)
    width = multiply.width
    pack = emit_pack(module, width)

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
        channel, number = number % p.channel_blocks * p.channel_block, number // p.channel_blocks
        group, part = number % p.groups, number // p.groups
        filters = (p.filters - filter).minimum(p.filter_block)
        channels = (p.channels - channel).minimum(p.channel_block)
        packed = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        ones, buffer = packed + p.ones, packed + p.buffer
        input = arrays.input + (group * p.channels + channel) * p.input_stride_c
        grad = arrays.grad + (group * p.filters + filter) * p.grad_stride_c
        sums = arrays.sums + (part * p.part_stride + group * p.group_stride + filter)
        is_lowered = p.needs_lowering.equals(1)
        adds_bias = p.with_bias.equals(1) & (channel + channels).equals(p.channels)
        with code.if_(adds_bias), code.loop(0, p.images_per_block * p.pixel_block) as i:
            ones[i] = code.value(1.0, code.float)
        first = part * p.blocks_per_part
        with code.loop(first, (first + p.blocks_per_part).minimum(p.blocks)) as block:
            image = block // p.blocks_per_image * p.images_per_block
            pixel = block % p.blocks_per_image * p.pixel_block
            images = (p.batch - image).minimum(p.images_per_block)
            pixels = (p.pixels - pixel).minimum(p.pixel_block)
            in_place = input + (image * p.input_stride_n + pixel)
            with code.loop(0, images) as i:
                pack.call(
                    weight=grad + ((image + i) * p.grad_stride_n + pixel),
                    packed=packed + i * pixels * width,
                    filters=filters,
                    k=pixels,
                    stride=p.grad_stride_c,
                    panel=p.panel_elements,
                )
                with code.if_(is_lowered):
                    im2col.call(
                        parameters=p,
                        image=input + (image + i) * p.input_stride_n,
                        buffer=buffer + i * pixels,
                        first_channel=0,
                        channels=channels,
                        pixel=pixel,
                        pixels=pixels,
                    )

            def add_products(
                a: Pointer,
                a_stride: Value,
                row: Value,
                rows: Value | int,
                k: Value,
                is_first: Value,
            ) -> None:
                multiply.call(
                    a=a,
                    b=packed,
                    c=sums + row * p.sums_stride,
                    bias=arrays.zeros,
                    m=rows,
                    n=filters,
                    k=k,
                    a_stride=a_stride,
                    b_panel_stride=p.panel_elements,
                    b_row_stride=width,
                    c_stride=p.sums_stride,
                    first=is_first,
                )

            k, is_first = images * pixels, block.equals(first).as_int()
            a = code.select_pointer(is_lowered, buffer, in_place)
            a_stride = code.select(is_lowered, p.buffer_stride, p.input_stride_c)
            add_products(a, a_stride, channel * p.taps, channels * p.taps, k, is_first)
            with code.if_(adds_bias):
                add_products(ones, code.value(0), p.rows, 1, k, is_first)

    return task
