"""The Winograd output transform: Y = Aᵀ M A + bias for each tile, from M[element, tile, filter].

Vector lanes are filters. For NHWC, outputs are stored directly. For NCHW, the outputs of a strip
are collected in a buffer [row, column, lane] and then transposed.

The outputs of tiles that are not flat are computed directly (direct.py).
"""

from __future__ import annotations

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.winograd_parts.direct import emit_direct_tile
from glassconv.kernels.winograd_parts.parameters import KERNEL_SIZE, WinogradParameters
from glassconv.kernels.winograd_parts.strips import for_each_strip
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem.memory_layout import NCHW


def emit_output_transform(
    module: Module, layout: str, matrix: Matrix, stride: int, epilogue: Function | None
) -> Function:
    """Emit the function that transforms `tiles` tiles of `filters` filters.

    `weight` (not transformed), `undo`, `bias` and `output` point to the first filter. epilogue: the
    function that is applied to the stored outputs, or None.
    """
    tile_outputs, tile_size = len(matrix), len(matrix[0])
    transform_tile = _emit_tile(module, matrix)
    direct_tile = emit_direct_tile(module, tile_outputs, stride)
    transpose_to_nchw = _emit_transpose_to_nchw(module) if layout == NCHW else None

    @function(module)
    def output_transform(
        code: Code,
        parameters: WinogradParameters[Value],
        input: Pointer,
        m: Pointer,
        uneven: Pointer,
        buffer: Pointer,
        weight: Pointer,
        undo: Pointer,
        bias: Pointer,
        output: Pointer,
        first_tile: Value,
        tiles: Value,
        filters: Value,
        residual_offset: Value,
    ) -> None:
        p = parameters
        # The half-transformed tile comes first in the buffer.
        strip_outputs = buffer + tile_outputs * tile_size * code.lanes
        outputs_row_stride = p.tiles_per_strip * (tile_outputs * code.lanes)
        with for_each_strip(code, p, tile_outputs, first_tile, tiles) as strip:
            image = input + strip.image * p.input_stride_n
            rows = (p.output_height - strip.y).minimum(tile_outputs)
            columns = (p.output_width - strip.x).minimum(strip.tiles * tile_outputs)
            output_ptr = output + (
                strip.image * p.output_stride_n
                + strip.y * p.output_stride_h
                + strip.x * p.output_stride_w
            )
            with code.loop(0, filters, code.lanes) as f:
                lanes = (filters - f).minimum(code.lanes)
                weights = weight + f * (p.channels * KERNEL_SIZE**2)
                with code.loop(0, strip.tiles) as tile:
                    x = tile * tile_outputs
                    src = m + ((strip.tile_index + tile) * p.m_tile_stride + f)
                    if transpose_to_nchw:
                        line = CACHE_LINE // ELEMENT_BYTES[code.dtype]
                        _prefetch_column(
                            code,
                            output_ptr
                            + (
                                f * p.output_stride_c
                                + (tile % tile_outputs).minimum(rows - 1) * p.output_stride_h
                                + (tile // tile_outputs * line).minimum(columns - 1)
                            ),
                            p.output_stride_c,
                            lanes,
                        )
                        dst = strip_outputs + x * code.lanes
                        row_stride, column_stride = outputs_row_stride, code.value(code.lanes)
                    else:
                        dst = output_ptr + (x * p.output_stride_w + f)
                        row_stride, column_stride = p.output_stride_h, p.output_stride_w
                    results: dict[str, Argument] = {
                        "bias": bias + f,
                        "dst": dst,
                        "row_stride": row_stride,
                        "column_stride": column_stride,
                        "rows": rows,
                        "columns": (columns - x).minimum(tile_outputs),
                        "filters": lanes,
                    }
                    is_flat = uneven[strip.tile_index + tile].equals(code.value(0.0, code.float))
                    with code.if_(is_flat):
                        transform_tile.call(
                            parameters=p, m=src, half_transformed=buffer, undo=undo + f, **results
                        )
                    with code.else_():
                        direct_tile.call(
                            parameters=p,
                            image=image,
                            weight=weights,
                            y=strip.y,
                            x=strip.x + x,
                            **results,
                        )
                if transpose_to_nchw:
                    transpose_to_nchw.call(
                        parameters=p,
                        strip_outputs=strip_outputs,
                        output=output_ptr + f * p.output_stride_c,
                        outputs_row_stride=outputs_row_stride,
                        rows=rows,
                        columns=columns,
                        filters=lanes,
                    )
            if epilogue and transpose_to_nchw:  # each run: columns of one filter
                with code.loop(0, filters) as filter:
                    epilogue.call(
                        sums=output_ptr + filter * p.output_stride_c,
                        runs=rows,
                        stride=p.output_stride_h,
                        length=columns,
                        residual_offset=residual_offset,
                    )
            elif epilogue:  # each run: filters of one column
                with code.loop(0, rows) as row:
                    epilogue.call(
                        sums=output_ptr + row * p.output_stride_h,
                        runs=columns,
                        stride=p.output_stride_w,
                        length=filters,
                        residual_offset=residual_offset,
                    )

    return output_transform


def _prefetch_column(code: Code, first: Pointer, stride: Value, filters: Value) -> None:
    """Prefetch a line of each filter's plane, to be written when the strip is transposed.

    Each tile prefetches other lines: those that the transposition stores at once are far apart.
    """
    for lane in range(code.lanes):
        (first + (filters - 1).minimum(lane) * stride).prefetch(to_write=True)


def _emit_tile(module: Module, matrix: Matrix) -> Function:
    """Emit the function that transforms one tile for a vector of filters.

    It stores only the first `rows` rows, `columns` columns and `filters` lanes.
    """
    tile_size = len(matrix[0])

    @function(module)
    def transform_tile(
        code: Code,
        parameters: WinogradParameters[Value],
        m: Pointer,
        half_transformed: Pointer,
        undo: Pointer,
        bias: Pointer,
        dst: Pointer,
        row_stride: Value,
        column_stride: Value,
        rows: Value,
        columns: Value,
        filters: Value,
    ) -> None:
        p = parameters
        with code.loop(0, tile_size) as j:
            column_ptr = m + j * p.m_element_stride
            vectors = [
                (column_ptr + i * tile_size * p.m_element_stride).vector() for i in range(tile_size)
            ]
            for row, vector in enumerate(transform(code, matrix, vectors)):
                (half_transformed + (row * tile_size + j) * code.lanes)[0] = vector
        bias_vector = bias.masked(code.first_lanes(filters))
        is_full = filters.equals(code.lanes)
        with code.loop(0, rows) as i:
            row_ptr = half_transformed + i * (tile_size * code.lanes)
            vectors = [row_ptr.vector(j * code.lanes) for j in range(tile_size)]
            for column, transformed in enumerate(transform(code, matrix, vectors)):
                # Loaded each time, since there is no register left to keep it in.
                vector = code.fma(transformed, undo.vector(), bias_vector)
                dst_ptr = dst + (i * row_stride + column * column_stride)
                with code.if_(columns > column):
                    with code.if_(is_full):
                        dst_ptr[0] = vector
                    with code.else_():
                        dst_ptr.store_masked(code.first_lanes(filters), vector)

    return transform_tile


def _emit_transpose_to_nchw(module: Module) -> Function:
    """Emit the function that transposes the collected outputs to NCHW.

    The last vector of a row is aligned to the end of the row and may overlap the previous one. Only
    rows shorter than a vector need masked stores.
    """

    @function(module)
    def transpose_to_nchw(
        code: Code,
        parameters: WinogradParameters[Value],
        strip_outputs: Pointer,
        output: Pointer,
        outputs_row_stride: Value,
        rows: Value,
        columns: Value,
        filters: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        with code.loop(0, rows) as row, code.loop(0, columns, lanes) as start:
            column = start.minimum(columns - lanes).maximum(0)
            src = strip_outputs + (row * outputs_row_stride + column * lanes)
            dst = output + (row * p.output_stride_h + column)
            vectors = code.transpose([src.vector(lane * lanes) for lane in range(lanes)])
            with code.if_(columns >= lanes):
                _emit_stores(code, dst, p.output_stride_c, vectors, filters, None)
            with code.else_():
                mask = code.first_lanes(columns)
                _emit_stores(code, dst, p.output_stride_c, vectors, filters, mask)

    return transpose_to_nchw


def _emit_stores(
    code: Code,
    dst: Pointer,
    stride: Value,
    vectors: list[Value],
    filters: Value,
    mask: Value | None,
) -> None:
    """Store the vectors of the first `filters` filters, `stride` elements apart."""
    for index, vector in enumerate(vectors):
        with code.if_(filters > index):
            (dst + index * stride).store_masked(mask, vector)
