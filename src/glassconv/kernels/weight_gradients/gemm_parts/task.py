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
from glassconv.kernels.weight_gradients.gemm_parts.part import blocks_of_part, emit_part


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
        p, part = parameters, emit_part(code, parameters, arrays, number, thread)
        packed, buffer, filters = part.gradients, part.buffer, part.filters
        input = arrays.input + (part.group * p.channels + part.segment) * p.input_stride_c
        grad = arrays.grad + (part.group * p.filters + part.filter) * p.grad_stride_c
        with blocks_of_part(code, p, part) as block:
            image, pixel, pixels = block.image, block.pixel, block.pixels
            in_place = input + (image * p.input_stride_n + pixel)
            with code.loop(0, block.images) as i:
                pack.call(
                    weight=grad + ((image + i) * p.grad_stride_n + pixel),
                    packed=packed + i * pixels * width,
                    filters=filters,
                    k=pixels,
                    stride=p.grad_stride_c,
                    panel=p.panel_elements,
                )
                with code.if_(part.is_lowered):
                    im2col.call(
                        parameters=p,
                        image=input + (image + i) * p.input_stride_n,
                        buffer=buffer + i * pixels,
                        first_channel=0,
                        channels=part.segments,
                        pixel=pixel,
                        pixels=pixels,
                    )

            def add_products(
                a: Pointer,
                a_stride: Value,
                row: Value,
                rows: Value | int,
            ) -> None:
                multiply.call(
                    a=a,
                    b=packed,
                    c=part.sums + row * p.sums_stride,
                    bias=arrays.zeros,
                    m=rows,
                    n=filters,
                    k=block.images * pixels,
                    a_stride=a_stride,
                    b_panel_stride=p.panel_elements,
                    b_row_stride=width,
                    c_stride=p.sums_stride,
                    first=block.is_first,
                )

            a = code.select_pointer(part.is_lowered, buffer, in_place)
            a_stride = code.select(part.is_lowered, p.buffer_stride, p.input_stride_c)
            add_products(a, a_stride, part.segment * p.taps, part.segments * p.taps)
            with code.if_(part.adds_bias):
                add_products(part.ones, code.value(0), p.rows, 1)

    return task
