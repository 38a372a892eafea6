"""The end of the weight gradient by Winograd's transforms: weight[filter, channel] = Gᵀ (Σ M) G.

Vector lanes are filters. The taps of as many channels as there are lanes are transposed in
registers, so that the elements of each filter are stored side by side.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.weight_gradients.winograd_parts.parameters import (
    InverseArrays,
    InverseParameters,
)
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix, transposed


def emit_inverse_task(module: Module, filter_matrix: Matrix) -> Function:
    """Emit the task function: the gradients of a vector of filters, from the sums of all parts."""
    invert = emit_inverse(module, filter_matrix)
    taps = len(filter_matrix[0]) ** 2

    @function(module)
    def task(
        code: Code,
        parameters: InverseParameters[Value],
        arrays: InverseArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        vectors = p.row_stride // lanes  # of a block of filters
        vector, block = number % vectors * lanes, number // vectors
        filter = block % p.filter_blocks * p.row_stride + vector
        channel = block // p.filter_blocks * p.channel_block
        with code.if_(filter < p.filters):
            invert.call(
                parameters=p,
                sums=arrays.sums + (block * p.block_stride + vector),
                weight=arrays.weight + (filter * p.channels + channel) * taps,
                channels=(p.channels - channel).minimum(p.channel_block),
                filters=(p.filters - filter).minimum(lanes),
            )

    return task


def emit_inverse(module: Module, filter_matrix: Matrix) -> Function:
    """Emit the function that transforms a vector of filters, for some channels.

    sums: [part, element, channel, filter], of which the parts are added in order.
    weight: the first element of the first filter and channel.
    """
    matrix, size = transposed(filter_matrix), len(filter_matrix)
    taps = len(matrix)
    transform_sums = _emit_transform(module, matrix)

    @function(module)
    def invert(
        code: Code,
        parameters: InverseParameters[Value],
        sums: Pointer,
        weight: Pointer,
        channels: Value,
        filters: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        halfway = code.allocate(taps * size * lanes).cast(code.float)
        rows = code.allocate(lanes * taps**2 * lanes).cast(code.float)  # [channel, tap, filter]
        with code.loop(0, channels, lanes) as first:
            count = (channels - first).minimum(lanes)
            with code.loop(0, count) as channel:
                transform_sums.call(
                    parameters=p,
                    sums=sums + (first + channel) * p.row_stride,
                    halfway=halfway,
                    rows=rows + channel * (taps**2 * lanes),
                )
            filter_elements = weight + first * taps**2
            with code.loop(0, count * taps**2, lanes) as row:
                exist = code.first_lanes((count * taps**2 - row).minimum(lanes))
                block = [rows.vector((row + i) * lanes) for i in range(lanes)]
                for i, elements in enumerate(code.transpose(block)):
                    with code.if_(filters > i):
                        place = p.channels * (taps**2 * i) + row
                        filter_elements.store_masked(exist, elements, place)

    return invert


def _emit_transform(module: Module, matrix: Matrix) -> Function:
    """Emit the function that adds the parts of a channel and a vector of filters, transformed."""
    taps, size = len(matrix), len(matrix[0])

    @function(module)
    def transform_sums(
        code: Code,
        parameters: InverseParameters[Value],
        sums: Pointer,
        halfway: Pointer,
        rows: Pointer,
    ) -> None:
        p, lanes = parameters, code.lanes
        with code.loop(0, size) as j:
            totals = []
            for i in range(size):
                element = sums + (j + i * size) * p.element_stride
                total = code.variable(element.vector())
                with code.loop(1, p.parts) as part:
                    total.set(total.get() + element.vector(part * p.part_stride))
                totals.append(total.get())
            for u, half in enumerate(transform(code, matrix, totals)):
                halfway[(j + u * size) * lanes] = half
        for u in range(taps):
            line = [halfway.vector((u * size + i) * lanes) for i in range(size)]
            for v, gradient in enumerate(transform(code, matrix, line)):
                rows[(u * taps + v) * lanes] = gradient

    return transform_sums
