"""The tasks of the weight gradient by Winograd's transforms: the products, and their transform."""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import read
from glassconv.kernels.weight_gradients.gemm_parts.transposed_product import emit_transposed_product
from glassconv.kernels.weight_gradients.winograd_parts.parameters import (
    GradientArrays,
    GradientParameters,
    InverseArrays,
    InverseParameters,
    PlanesParameters,
)
from glassconv.kernels.weight_gradients.winograd_parts.transform_tiles import emit_transform_tiles
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix, Transforms


def transposed(matrix: Matrix) -> Matrix:
    """Return the transpose of a matrix."""
    return tuple(zip(*matrix, strict=True))


def emit_task(module: Module, layout: str, matrices: Transforms) -> Function:
    """Emit the task function: the sums of some channels and filters, over a part of the tiles."""
    size, step = len(matrices.input), len(matrices.output)
    transform_input = emit_transform_tiles(module, layout, "input", matrices.input, step)
    to_sums = transposed(matrices.output)
    transform_grad = emit_transform_tiles(module, layout, "gradient", to_sums, step)
    multiply = emit_transposed_product(module)
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
        channel, part = number % p.channel_blocks * p.channel_block, number // p.channel_blocks
        filters = (p.filters - filter).minimum(p.filter_block)
        channels = (p.channels - channel).minimum(p.channel_block)
        inputs = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        gradients, strip = inputs + p.gradients_offset, inputs + p.strip_offset
        planes = read(arrays.planes, PlanesParameters[Value])
        grad_planes = read(arrays.grad_planes, PlanesParameters[Value])
        input = arrays.input + channel * planes.stride_c
        grad = arrays.grad + filter * grad_planes.stride_c
        sums = arrays.sums + (part * p.part_stride + channel * p.padded_filters + filter)
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
                    c=sums + element * p.sum_element_stride,
                    m=channels,
                    n=columns,
                    k=rows * p.tile_columns,
                    a_stride=p.channel_block,
                    b_stride=p.filter_block,
                    c_stride=p.padded_filters,
                    first=is_first,
                )

    return task


def emit_inverse_task(module: Module, matrices: Transforms) -> Function:
    """Emit the task function: of a channel, rows[tap, filter] = Gᵀ (Σ_part sums) G."""
    size = len(matrices.filter)
    matrix = transposed(matrices.filter)
    taps = len(matrix)

    @function(module)
    def inverse(
        code: Code,
        parameters: InverseParameters[Value],
        arrays: InverseArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        halfway = code.allocate(taps * size * lanes).cast(code.float)
        with code.loop(0, p.filters, lanes) as filter:
            first = arrays.sums + (number * p.padded_filters + filter)
            exist = code.first_lanes((p.filters - filter).minimum(lanes))
            rows = arrays.rows + (number * (taps**2) * p.filters + filter)
            with code.loop(0, size) as j:
                totals = []
                for i in range(size):
                    element = first + (j + i * size) * p.element_stride
                    total = code.variable(element.vector())
                    with code.loop(1, p.parts) as part:
                        total.set(total.get() + element.vector(part * p.part_stride))
                    totals.append(total.get())
                for u, half in enumerate(transform(code, matrix, totals)):
                    halfway[(j + u * size) * lanes] = half
            for u in range(taps):
                line = [halfway.vector((u * size + i) * lanes) for i in range(size)]
                for v, gradient in enumerate(transform(code, matrix, line)):
                    rows.store_masked(exist, gradient, p.filters * (u * taps + v))

    return inverse
