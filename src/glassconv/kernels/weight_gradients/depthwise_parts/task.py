"""The task function: copies of planes, and passes over them that add the products of some taps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.padded_row import range_mask
from glassconv.kernels.weight_gradients.depthwise_parts.parameters import (
    DepthwiseGradientArrays,
    DepthwiseGradientParameters,
)

SPARE_REGISTERS = 4  # for an output gradient, inputs and a mask


@dataclass(frozen=True)
class Columns:
    """Where a copied row has the columns that each tap of a kernel row reads."""

    kernel_width: int
    stride: int
    dilation: int

    def place(self, v: int) -> tuple[int, int]:
        """Return the phase of tap v, and how many elements it is from the phase's first."""
        return v * self.dilation % self.stride, v * self.dilation // self.stride


def passes_of(height: int, width: int, target: Target) -> Iterator[list[tuple[int, int]]]:
    """Yield the taps (u, v) of each pass over a plane: as many as there are registers for."""
    taps = [(u, v) for u in range(height) for v in range(width)]
    passes = ceil(len(taps) / (target.registers - SPARE_REGISTERS))
    size = ceil(len(taps) / passes)
    for first in range(0, len(taps), size):
        yield taps[first : first + size]


def emit_task(module: Module, height: int, columns: Columns, with_bias: bool) -> Function:
    """Emit the task function: the gradients of a block of filters."""
    copy_plane = _emit_copy_plane(module, columns.stride)
    multiply = [
        _emit_multiply(module, taps, columns, with_bias and number == 0)
        for number, taps in enumerate(passes_of(height, columns.kernel_width, module.target))
    ]

    @function(module)
    def task(
        code: Code,
        parameters: DepthwiseGradientParameters[Value],
        arrays: DepthwiseGradientArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        sums = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        sums_stride = (p.taps + 1) * lanes
        plane = sums + p.filter_block * sums_stride
        # Padding stays zero: the copies do not write its rows.
        size = p.filter_block * sums_stride + p.copied_rows * p.phase_stride * columns.stride
        with code.loop(0, size, lanes) as element:
            sums[element] = code.zeros()
        first = number * p.filter_block
        end = (first + p.filter_block).minimum(p.filters)
        with code.loop(0, p.batch) as image, code.loop(first, end) as filter:
            input = arrays.input + (
                image * p.input_stride_n + filter // p.filters_per_channel * p.input_stride_c
            )
            grad = arrays.grad + (image * p.grad_stride_n + filter * p.grad_stride_c)
            copy_plane.call(parameters=p, input=input, plane=plane)
            for each in multiply:
                each.call(
                    parameters=p, grad=grad, plane=plane, sums=sums + (filter - first) * sums_stride
                )
        lane = code.first_lanes(code.value(1))
        with code.loop(first, end) as filter:
            of_filter = sums + (filter - first) * sums_stride
            with code.loop(0, p.taps) as tap:
                total = code.sums_of_lanes([of_filter.vector(tap * lanes)])
                arrays.weight.store_masked(lane, total, filter * p.taps + tap)
            if with_bias:
                total = code.sums_of_lanes([of_filter.vector(p.taps * lanes)])
                arrays.bias.store_masked(lane, total, filter)

    return task


def _emit_copy_plane(module: Module, stride: int) -> Function:
    """Emit the function that copies the rows of a plane, each phase of the columns apart.

    A vector of columns is copied in all rows, whose padding there has one mask.
    """

    @function(module)
    def copy_plane(
        code: Code,
        parameters: DepthwiseGradientParameters[Value],
        input: Pointer,
        plane: Pointer,
    ) -> None:
        p, lanes = parameters, code.lanes
        rows = (p.copied_rows - p.padding_h).minimum(p.input_height)
        end = p.padding_w + p.input_width
        row_stride = p.phase_stride * stride
        with code.loop(0, p.copied_columns, lanes) as column:
            # Of the padded row, from which the elements of all phases are taken.
            starts = [column * stride + number * lanes for number in range(stride)]
            masks = [range_mask(code, start, p.padding_w, end) for start in starts]
            source = input + (column * stride - p.padding_w)
            to = plane + (p.padding_h * row_stride + column)
            with code.loop(0, rows) as row:
                vectors = [
                    (source + row * p.input_stride_h).masked(mask, number * lanes)
                    for number, mask in enumerate(masks)
                ]
                first, last = vectors[0], vectors[-1]
                for phase in range(stride):
                    elements = first
                    if stride > 1:
                        elements = code.shuffle(first, last, range(phase, 2 * lanes, 2))
                    to[row * row_stride + p.phase_stride * phase] = elements

    return copy_plane


def _emit_multiply(
    module: Module, taps: list[tuple[int, int]], columns: Columns, with_bias: bool
) -> Function:
    """Emit the function that adds the products of some taps over a plane."""

    @function(module, f"multiply_{taps[0][0]}_{taps[0][1]}")
    def multiply(
        code: Code,
        parameters: DepthwiseGradientParameters[Value],
        grad: Pointer,
        plane: Pointer,
        sums: Pointer,
    ) -> None:
        p, lanes = parameters, code.lanes
        places = [(u * columns.kernel_width + v) * lanes for u, v in taps]
        totals = [code.variable(sums.vector(place)) for place in places]
        bias = code.variable(sums.vector(p.taps * lanes)) if with_bias else None
        whole = p.output_width - p.output_width % lanes
        partial = code.first_lanes(p.output_width - whole)
        row_stride = p.phase_stride * columns.stride
        with code.loop(0, p.output_height) as row:
            outputs = grad + row * p.output_width
            inputs = {
                (u, phase): plane
                + ((row * p.stride_h + p.dilation_h * u) * row_stride + p.phase_stride * phase)
                for u, phase in sorted({(u, columns.place(v)[0]) for u, v in taps})
            }

            def add_products(column: Value, mask: Value | None) -> None:
                gradients = outputs.masked(mask, column)
                if bias is not None:
                    bias.set(bias.get() + gradients)
                for (u, v), total in zip(taps, totals, strict=True):
                    phase, offset = columns.place(v)
                    elements = (inputs[u, phase] + offset).masked(mask, column)
                    total.set(code.fma(gradients, elements, total.get()))

            with code.loop(0, whole, lanes) as column:
                add_products(column, None)
            with code.if_(whole < p.output_width):
                add_products(whole, partial)
        for place, total in zip(places, totals, strict=True):
            sums[place] = total.get()
        if bias is not None:
            sums[p.taps * lanes] = bias.get()

    return multiply
