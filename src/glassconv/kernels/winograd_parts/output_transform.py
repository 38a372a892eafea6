"""Winograd's output transform: each tile's outputs Aᵀ M A plus the bias, from M[element, tile, f].

Lanes are filters. Where the output's channels are contiguous (NHWC), outputs are stored as they are
computed. Where its pixels are (NCHW), those of a strip of tiles are first kept in a buffer, [row,
column, lane], and then transposed.

A NaN or an infinity of the input reaches every output of its tile, and so does an overflow in a
transform. Each output is therefore tested, and a tile with one that is not finite is computed again
by the definition (fallback.py), which spreads nothing.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.winograd_parts.fallback import fallback_function
from glassconv.kernels.winograd_parts.parameters import TAPS, WinogradParameters
from glassconv.kernels.winograd_parts.strips import strips
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem.memory_layout import NCHW


def output_transform_function(
    module: Module, layout: str, matrix: Matrix, epilogue: Function | None
) -> Function:
    """Write the function that transforms `tiles` tiles back, of `filters` filters.

    `weight` (not transformed), `bias` and `output` begin with the first filter. epilogue: the
    epilogue's function for outputs that are stored, None without an epilogue.
    """
    outputs, n = len(matrix), len(matrix[0])
    tile = _tile(module, matrix)
    to_nchw = _to_nchw(module) if layout == NCHW else None

    @function(module)
    def output_transform(
        code: Code,
        parameters: WinogradParameters[Value],
        input: Pointer,
        m: Pointer,
        buffer: Pointer,
        weight: Pointer,
        bias: Pointer,
        output: Pointer,
        first: Value,
        tiles: Value,
        filters: Value,
        residual_distance: Value,
    ) -> None:
        p = parameters
        kept = buffer + outputs * n * code.lanes  # the first part holds half a transform
        kept_stride = p.strip_tiles * (outputs * code.lanes)
        with strips(code, p, outputs, first, tiles) as strip:
            image = input + strip.image * p.input_stride_n
            rows = (p.output_height - strip.y).minimum(outputs)
            columns = (p.output_width - strip.x).minimum(strip.tiles * outputs)
            corner = output + (
                strip.image * p.output_stride_n
                + strip.y * p.output_stride_h
                + strip.x * p.output_stride_w
            )
            with code.loop(0, filters, code.lanes) as f:
                lanes = (filters - f).minimum(code.lanes)
                weights = weight + f * (p.channels * TAPS**2)
                with code.loop(0, strip.tiles) as number:
                    x = number * outputs
                    source = m + ((strip.place + number) * p.m_tile_stride + f)
                    if to_nchw:
                        target = kept + x * code.lanes
                        row_stride, column_stride = kept_stride, code.value(code.lanes)
                    else:
                        target = corner + (x * p.output_stride_w + f)
                        row_stride, column_stride = p.output_stride_h, p.output_stride_w
                    tile.call(
                        parameters=p,
                        image=image,
                        m=source,
                        half=buffer,
                        weight=weights,
                        bias=bias + f,
                        target=target,
                        row_stride=row_stride,
                        column_stride=column_stride,
                        y=strip.y,
                        x=strip.x + x,
                        rows=rows,
                        columns=(columns - x).minimum(outputs),
                        filters=lanes,
                    )
                if to_nchw:
                    to_nchw.call(
                        parameters=p,
                        kept=kept,
                        output=corner + f * p.output_stride_c,
                        kept_stride=kept_stride,
                        rows=rows,
                        columns=columns,
                        filters=lanes,
                    )
            if epilogue and to_nchw:  # runs are a filter's columns
                with code.loop(0, filters) as filter:
                    epilogue.call(
                        sums=corner + filter * p.output_stride_c,
                        runs=rows,
                        stride=p.output_stride_h,
                        length=columns,
                        residual_distance=residual_distance,
                    )
            elif epilogue:  # runs are a pixel's filters
                with code.loop(0, rows) as row:
                    epilogue.call(
                        sums=corner + row * p.output_stride_h,
                        runs=columns,
                        stride=p.output_stride_w,
                        length=filters,
                        residual_distance=residual_distance,
                    )

    return output_transform


def _tile(module: Module, matrix: Matrix) -> Function:
    """Write the function that transforms one tile of as many filters as a vector has lanes.

    Only the first `rows` rows, `columns` columns and `filters` lanes of the result are stored.
    """
    fallback = fallback_function(module)
    n = len(matrix[0])

    @function(module)
    def output_tile(
        code: Code,
        parameters: WinogradParameters[Value],
        image: Pointer,
        m: Pointer,
        half: Pointer,
        weight: Pointer,
        bias: Pointer,
        target: Pointer,
        row_stride: Value,
        column_stride: Value,
        y: Value,
        x: Value,
        rows: Value,
        columns: Value,
        filters: Value,
    ) -> None:
        p = parameters
        with code.loop(0, n) as j:
            column = m + j * p.m_element_stride
            vectors = [(column + i * n * p.m_element_stride).vector() for i in range(n)]
            for row, vector in enumerate(transform(code, matrix, vectors)):
                (half + (row * n + j) * code.lanes)[0] = vector
        biases = bias.masked(code.first_lanes(filters))
        zeros = code.zeros()
        tested = code.variable(zeros)  # stays zero as long as every output is finite
        whole = filters.equals(code.lanes)
        with code.loop(0, rows) as i:
            line = half + i * (n * code.lanes)
            vectors = [line.vector(j * code.lanes) for j in range(n)]
            for number, vector in enumerate(transform(code, matrix, vectors)):
                place = target + (i * row_stride + number * column_stride)
                with code.if_(columns > number):
                    tested.set(code.fma(vector, zeros, tested.get()))
                    with code.if_(whole):
                        place[0] = vector + biases
                    with code.else_():
                        place.store_masked(code.first_lanes(filters), vector + biases)
        with code.if_(code.any_nan(tested.get())):
            fallback.call(
                parameters=p,
                image=image,
                weight=weight,
                bias=bias,
                target=target,
                row_stride=row_stride,
                column_stride=column_stride,
                y=y,
                x=x,
                rows=rows,
                columns=columns,
                filters=filters,
            )

    return output_tile


def _to_nchw(module: Module) -> Function:
    """Write the function that transposes kept outputs into the planes of their filters.

    A row's last vector ends where the row does, so that some outputs are stored twice; only a row
    that is shorter than a vector is stored in part.
    """

    @function(module)
    def to_nchw(
        code: Code,
        parameters: WinogradParameters[Value],
        kept: Pointer,
        output: Pointer,
        kept_stride: Value,
        rows: Value,
        columns: Value,
        filters: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        with code.loop(0, rows) as row, code.loop(0, columns, lanes) as nominal:
            column = nominal.minimum(columns - lanes).maximum(0)
            source = kept + (row * kept_stride + column * lanes)
            target = output + (row * p.output_stride_h + column)
            vectors = code.transpose([source.vector(lane * lanes) for lane in range(lanes)])
            with code.if_(columns >= lanes):
                _store(code, target, p.output_stride_c, vectors, filters, None)
            with code.else_():
                mask = code.first_lanes(columns)
                _store(code, target, p.output_stride_c, vectors, filters, mask)

    return to_nchw


def _store(
    code: Code,
    target: Pointer,
    stride: Value,
    vectors: list[Value],
    filters: Value,
    mask: Value | None,
) -> None:
    """Store the vectors of the filters that exist, `stride` elements apart."""
    for number, vector in enumerate(vectors):
        with code.if_(filters > number):
            place = target + number * stride
            if mask is None:
                place[0] = vector
            else:
                place.store_masked(mask, vector)
