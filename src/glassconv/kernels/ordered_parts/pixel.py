"""The task of the ordered kernel for 1 × 1 inputs: a matrix times a vector, filters in the lanes.

    output[filter] = bias[filter] + Σ_channel weight[filter, channel] · input[channel]

The lanes of the pointwise kernel are channels, whose sums are added at the end. In the published
order a filter's products are a chain, so lanes are filters: a square of weights, as many filters as
channels as a vector has lanes, is transposed in registers and multiplied a channel at a time.
"""

from __future__ import annotations

from glassconv.algorithms.ordered import BLOCK
from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, Variable, function
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.pointwise import PointwiseParameters
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import Epilogue


def emit_task_pixel(module: Module, epilogue: Epilogue) -> Function:
    """Emit the task function: a block of filters of one image and group."""

    @function(module)
    def task(
        code: Code,
        parameters: PointwiseParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        start, number = number % p.filter_blocks * p.filter_block, number // p.filter_blocks
        group, batch = number % p.groups, number // p.groups
        stop = (start + p.filter_block).minimum(p.filters)
        first = group * p.filters
        input = arrays.input + (batch * p.input_stride_n + group * p.channels * p.input_stride_c)
        with code.loop(start, stop, lanes) as filter:
            # Filters past the end are clamped to the last one, whose duplicates are not stored.
            rows = [
                arrays.weight + (first + (filter + i).minimum(p.filters - 1)) * p.channels
                for i in range(lanes)
            ]
            valid = code.first_lanes(stop - filter)
            total = code.variable(arrays.bias.masked(valid, first + filter) + code.zeros())
            with code.loop(0, p.channels, BLOCK) as channel:
                end = (channel + BLOCK).minimum(p.channels)
                block = code.variable(code.zeros())
                _add_products(code, block, rows, input, p.input_stride_c, channel, end)
                total.set(total.get() + block.get())
            output = arrays.output + (batch * p.output_stride_n + first + filter)
            offset = residual_offset(arrays)
            output.store_masked(
                valid, apply_epilogue(code, epilogue, total.get(), output, offset, valid)
            )

    return task


def _add_products(
    code: Code,
    total: Variable,
    rows: list[Pointer],
    input: Pointer,
    input_stride: Value,
    start: Value,
    end: Value,
) -> None:
    """Add the products of the channels from `start` to `end`, one after another."""
    whole = end - (end - start) % code.lanes
    with code.loop(start, whole, code.lanes) as channel:
        for i, column in enumerate(code.transpose([row.vector(channel) for row in rows])):
            number = code.broadcast(input[(channel + i) * input_stride])
            total.set(code.fma(column, number, total.get()))
    with code.loop(whole, end) as channel:
        column = code.join([row[channel] for row in rows])
        number = code.broadcast(input[channel * input_stride])
        total.set(code.fma(column, number, total.get()))
