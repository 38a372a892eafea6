"""The task of the direct kernel: a copy of the rows that a block of outputs reads, and tiles."""

from __future__ import annotations

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.codegen.target import Target
from glassconv.kernels.direct_parts.window import DirectParameters
from glassconv.kernels.microkernel.epilogue import apply_epilogue
from glassconv.kernels.microkernel.lowering import outputs_inside
from glassconv.kernels.microkernel.padded_row import emit_copy
from glassconv.kernels.microkernel.register_tile import accumulators, multiply, tile_heights
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import Epilogue

MIN_ACCUMULATORS = 8  # of a tile, to hide the latency of the FMA


def tile_shapes(target: Target) -> list[tuple[int, int]]:
    """Return (filters, vectors) of the tiles, which together cover any number of filters.

    >>> from glassconv.codegen.target import named
    >>> tile_shapes(named("avx2"))
    [(6, 2), (4, 2), (2, 4), (1, 8)]
    """
    rows, vectors = target.tile()
    return [(height, max(vectors, MIN_ACCUMULATORS // height)) for height in tile_heights(rows)]


def emit_task(module: Module, epilogue: Epilogue) -> Function:
    """Emit the task function: all filters of one group, for a block of outputs."""
    copy_window = _emit_copy_window(module)
    shapes = tile_shapes(module.target)
    tiles = {shape: _emit_tile(module, *shape, epilogue) for shape in shapes}

    @function(module)
    def task(
        code: Code,
        parameters: DirectParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        first_row, number = number % p.row_blocks * p.row_block, number // p.row_blocks
        column, number = number % p.column_blocks * p.column_block, number // p.column_blocks
        # The last block of columns is moved back, so that it fits.
        first_column = column.minimum(p.output_width - p.column_block)
        group, batch = number % p.groups, number // p.groups
        rows = (p.output_height - first_row).minimum(p.row_block)
        top, left = first_row * p.stride_h - p.padding_h, first_column * p.stride_w - p.padding_w
        group_offset = group * p.channels * p.input_stride_c
        image = arrays.input + (batch * p.input_stride_n + group_offset)
        copied = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        needs_copy = p.needs_copy.equals(1)
        with code.if_(needs_copy):
            copy_window.call(
                parameters=p, image=image, window=copied, top=top, left=left, output_rows=rows
            )
        in_place = image + (top * p.input_stride_h + left)
        first_filter = group * p.filters
        common: dict[str, Argument] = {
            "parameters": p,
            "window": code.select_pointer(needs_copy, copied, in_place),
            "weight": arrays.weight + first_filter * p.k,
            "bias": arrays.bias + first_filter,
            "output": arrays.output
            + (
                batch * p.output_stride_n
                + first_filter * p.output_stride_c
                + first_row * p.output_width
                + first_column
            ),
            "residual_offset": residual_offset(arrays),
        }
        vectors = rows * p.vectors_per_row
        filter = code.value(0)
        for (height, tile_vectors), tile in tiles.items():
            end = p.filters - (p.filters - filter) % height
            with code.if_(end > filter), code.loop(0, vectors, tile_vectors) as vector:
                tile.call(**common, vector=vector, last=vectors - 1, first=filter, end=end)
            filter = end

    return task


def _emit_copy_window(module: Module) -> Function:
    """Emit the function that copies the rows that a block reads, phase by phase of the stride."""
    copy = emit_copy(module)

    @function(module)
    def copy_window(
        code: Code,
        parameters: DirectParameters[Value],
        image: Pointer,
        window: Pointer,
        top: Value,
        left: Value,
        output_rows: Value,
    ) -> None:
        p = parameters
        rows = (output_rows - 1) * p.stride_h + p.extent_h
        with code.loop(0, p.channels) as channel, code.loop(0, rows) as i:
            y = top + i
            is_inside = (y >= 0) & (y < p.input_height)
            src = image + (channel * p.input_stride_c + y * p.input_stride_h + left)
            dst = window + (channel * p.window_stride_c + i * p.window_stride_h)
            with code.loop(0, p.phases) as phase:
                low, high = outputs_inside(left + phase, p.input_width, p.stride_w)
                copy.call(
                    dst=dst + phase * p.phase_length,
                    src=src + phase,
                    step=p.stride_w,
                    length=p.phase_length,
                    low=low,
                    high=code.select(is_inside, high, 0),
                )

    return copy_window


def _emit_tile(module: Module, rows: int, vectors: int, epilogue: Epilogue) -> Function:
    """Emit the function that computes one tile for the filters first, first + rows, … < end.

    vector: the first vector of the tile. last: the last vector of the task, which the tile computes
    again where it exceeds the task.
    """

    @function(module, f"tile_{rows}x{vectors}")
    def tile(
        code: Code,
        parameters: DirectParameters[Value],
        window: Pointer,
        weight: Pointer,
        bias: Pointer,
        output: Pointer,
        residual_offset: Value,
        vector: Value,
        last: Value,
        first: Value,
        end: Value,
    ) -> None:
        p, offsets = parameters, table_after(parameters)
        inputs, outputs = [], []
        for j in range(vectors):
            index = (vector + j).minimum(last)
            row, column = index // p.vectors_per_row, index % p.vectors_per_row * code.lanes
            column = column.minimum(p.column_block - code.lanes)
            inputs.append(window + (row * p.stride_h * p.window_stride_h + column))
            outputs.append(output + (row * p.output_width + column))
        with code.loop(first, end, rows) as filter:
            weights = [weight + (filter + i) * p.k for i in range(rows)]
            for i in range(rows):
                for output_ptr in outputs:
                    (output_ptr + (filter + i) * p.output_stride_c).prefetch(to_write=True)
            sums = accumulators(code, rows, vectors, lambda i, _: code.broadcast(bias[filter + i]))
            multiply(
                code,
                sums,
                p.k,
                left=lambda i, step: weights[i][step],
                right=lambda step, j: inputs[j].vector(offsets[step]),
            )
            for i, sums_of_filter in enumerate(sums):
                for output_ptr, total in zip(outputs, sums_of_filter, strict=True):
                    address = output_ptr + (filter + i) * p.output_stride_c
                    address[0] = apply_epilogue(
                        code, epilogue, total.get(), address, residual_offset
                    )

    return tile
