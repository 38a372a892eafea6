"""The task function: a strip of output rows for a unit of channels, chunk by chunk.

For each chunk, the rows of what is between that its outputs read are in the buffer, from the row
`top` on. Those that the chunk before has computed are moved to the front; the others are a matrix
product, [pixels, k] · [k, channels of the unit].
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.kernels.depthwise_parts.nhwc import InputAccess
from glassconv.kernels.depthwise_parts.nhwc_task import emit_compute_in_place
from glassconv.kernels.depthwise_parts.register_tile import TapPattern
from glassconv.kernels.microkernel.contiguous_copy import emit_contiguous_copy
from glassconv.kernels.microkernel.matrix_product import COLUMNS, product
from glassconv.kernels.pointwise_depthwise.blocks import PairParameters
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.problem.activations import Epilogue


def emit_task(
    module: Module, pattern: TapPattern, access: InputAccess, first: Epilogue, second: Epilogue
) -> Function:
    """Emit the task function of a pair whose two epilogues are activations."""
    multiply = product(module, COLUMNS, first)
    convolve = emit_compute_in_place(module, pattern, access, second, bias_last=False)
    copy = emit_contiguous_copy(module)

    @function(module)
    def task(
        code: Code,
        parameters: PairParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        unit, number = number % p.units, number // p.units
        strip, image = number % p.strips, number // p.strips
        buffer = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        packed = arrays.weight + unit * p.unit_elements
        input = arrays.input + image * p.input_stride_n
        output = arrays.output + (image * p.output_stride_n + unit * p.unit_channels)
        first_row = strip * p.strip_rows
        stop = (first_row + p.strip_rows).minimum(p.output_rows)
        computed = code.variable(0)  # the row after the last one in the buffer
        with code.loop(first_row, stop, p.chunk_rows) as row:
            rows = (stop - row).minimum(p.chunk_rows)
            top = row * p.stride_h - p.padding_h
            start = top.maximum(0)
            end = (top + (rows - 1) * p.stride_h + p.kernel_height).minimum(p.input_rows)
            fresh = computed.get().maximum(start).minimum(end)
            # Where row 0 of what is between would be: above `top` are the rows of padding.
            origin = buffer + (0 - top) * p.row_elements
            with code.if_(fresh > start):
                kept = origin + start * p.row_elements
                copy.call(  # to a lower address
                    dst=kept,
                    src=kept + p.chunk_rows * p.stride_h * p.row_elements,
                    length=(fresh - start) * p.row_elements,
                )
            multiply.call(
                a=input + fresh * p.input_columns * p.k,
                b=packed,
                c=origin + fresh * p.row_elements,
                bias=packed + p.bias_offset,
                m=(end - fresh) * p.input_columns,
                n=p.unit_channels,
                k=p.k,
                a_stride=p.k,
                b_panel_stride=p.panel_elements,
                b_row_stride=multiply.width,
                c_stride=p.unit_channels,
                first=1,
                last=1,
            )
            computed.set(end)
            convolve.call(
                parameters=table_after(p),
                image=origin,
                weights=packed + p.depthwise_offset,
                output=output + row * p.output_stride_h,
                residual_offset=0,
                rows=rows,
                top=top,
                left=0 - p.padding_w,
                first_filter=0,
            )

    return task
