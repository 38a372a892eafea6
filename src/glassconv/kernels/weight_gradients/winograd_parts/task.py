"""The task of the weight gradient by Winograd's transforms: products of transformed tiles."""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import read
from glassconv.kernels.weight_gradients.gemm_parts.transposed_product import emit_transposed_product
from glassconv.kernels.weight_gradients.winograd_parts.inverse import emit_inverse
from glassconv.kernels.weight_gradients.winograd_parts.parameters import (
    GradientArrays,
    GradientParameters,
    InverseParameters,
    PlanesParameters,
)
from glassconv.kernels.weight_gradients.winograd_parts.transform_tiles import emit_transform_tiles
from glassconv.mathematics.cook_toom import Transforms, transposed


def emit_task(module: Module, layout: str, matrices: Transforms) -> Function:
    """Emit the task function: the sums of some channels and filters, over a part of the tiles.

    Where there is one part, the task transforms its sums, which are in its thread's workspace.
    """
    size, step = len(matrices.input), len(matrices.output)
    taps = len(matrices.filter[0]) ** 2
    transform_input = emit_transform_tiles(module, layout, "input", matrices.input, step)
    to_sums = transposed(matrices.output)
    transform_grad = emit_transform_tiles(module, layout, "gradient", to_sums, step)
    multiply = emit_transposed_product(module)
    invert = emit_inverse(module, matrices.filter)
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
        sums = arrays.sums + (thread * p.sums_per_thread + number * p.sums_per_task)
        filter, number = number % p.filter_blocks * p.filter_block, number // p.filter_blocks
        channel, part = number % p.channel_blocks * p.channel_block, number // p.channel_blocks
        filters = (p.filters - filter).minimum(p.filter_block)
        channels = (p.channels - channel).minimum(p.channel_block)
        memory = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        inputs, gradients = memory + p.inputs_offset, memory + p.gradients_offset
        strip = memory + p.strip_offset
        planes = read(arrays.planes, PlanesParameters[Value])
        grad_planes = read(arrays.grad_planes, PlanesParameters[Value])
        inverse = read(arrays.inverse, InverseParameters[Value])
        input = arrays.input + channel * planes.stride_c
        grad = arrays.grad + filter * grad_planes.stride_c
        columns = (filters + (width - 1)) // width * width
        first = part * p.rows_per_part
        stop = (first + p.rows_per_part).minimum(p.rows)
        with code.loop(first, stop, p.rows_per_block) as row:
            rows = (stop - row).minimum(p.rows_per_block)
            with code.loop(0, rows) as i:
                tile = i * p.tile_columns
                transform_input.call(
                    parameters=planes,
                    planes=input,
                    strip=strip,
                    result=inputs + tile * p.channel_block,
                    row=row + i,
                    channels=channels,
                )
                transform_grad.call(
                    parameters=grad_planes,
                    planes=grad,
                    strip=strip,
                    result=gradients + tile * p.filter_block,
                    row=row + i,
                    channels=filters,
                )
            is_first = row.equals(first).as_int()
            with code.loop(0, size**2) as element:
                multiply.call(
                    a=inputs + element * planes.element_stride,
                    b=gradients + element * grad_planes.element_stride,
                    c=sums + element * inverse.element_stride,
                    m=channels,
                    n=columns,
                    k=rows * p.tile_columns,
                    a_stride=p.channel_block,
                    b_stride=p.filter_block,
                    c_stride=inverse.row_stride,
                    first=is_first,
                )
        with code.if_(inverse.parts.equals(1)), code.loop(0, filters, code.lanes) as vector:
            invert.call(
                parameters=inverse,
                sums=sums + vector,
                weight=arrays.weight + ((filter + vector) * p.channels + channel) * taps,
                channels=channels,
                filters=(filters - vector).minimum(code.lanes),
            )

    return task
