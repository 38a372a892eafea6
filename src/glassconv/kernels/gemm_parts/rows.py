"""The task of implicit GEMM in NHWC without im2col: a row of pixels is the matrix of its windows.

    output[pixel, filter] = Σ_u Σ_e row_u[pixel · stride · channels + e] · packed[(u, e), filter]

e = (v, channel) counts the taps of a kernel row and their channels, which are adjacent in memory.
The window of the next pixel begins stride · channels elements later, so a row of pixels already is
the im2col matrix of a kernel row: its rows overlap. Only the rows of pixels are copied, with their
padding. The weights are read again for each row of outputs, so they must be small.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.gemm_parts.parameters import GemmParameters
from glassconv.kernels.gemm_parts.task import start_of
from glassconv.kernels.microkernel.matrix_product import COLUMNS, product
from glassconv.kernels.microkernel.padded_row import emit_copy
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import Epilogue


def emit_task_by_rows(module: Module, epilogue: Epilogue) -> Function:
    """Emit the task function for a block of output rows and a block of filters."""
    copy, multiply = emit_copy(module), product(module, COLUMNS, epilogue)

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
        rows = (p.pixels - at.pixel).minimum(p.pixel_block) // p.output_width
        filters = (p.filters - at.filter).minimum(p.filter_block)
        top = at.pixel // p.output_width * p.stride_h - p.padding_h
        left = p.padding_w * p.channels
        image = arrays.input + at.image * p.input_stride_n
        with code.loop(0, (rows - 1) * p.stride_h + (p.kernel_height - 1) * p.dilation_h + 1) as i:
            y = top + i
            inside = (y >= 0) & (y < p.input_height)
            copy.call(
                dst=buffer + i * p.buffer_stride,
                src=image + (y * p.input_stride_h - left),
                step=1,
                length=p.buffer_stride,
                low=left,
                high=code.select(inside, left + p.input_width * p.channels, 0),
            )
        output = arrays.output + (
            at.image * p.output_stride_n + at.pixel * p.output_stride_w + at.filter
        )
        with code.loop(0, rows) as row:
            multiply.call(
                a=buffer + row * p.stride_h * p.buffer_stride,
                b=arrays.weight + at.filter * p.k,
                c=output + row * p.output_width * p.output_stride_w,
                bias=arrays.bias + at.filter,
                m=p.output_width,
                n=filters,
                segments=p.kernel_height,
                k=p.segment_length,
                a_stride=p.stride_w * p.channels,
                a_segment_stride=p.dilation_h * p.buffer_stride,
                b_panel_stride=p.k * multiply.width,
                b_row_stride=multiply.width,
                c_stride=p.output_stride_w,
                first=1,
                last=1,
                residual_offset=residual_offset(arrays),
            )

    return task
