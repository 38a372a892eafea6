"""The Winograd input transform: V[element, tile, channel] = Bᵀ d B for each tile d and channel.

Pixels are scaled by 1/u: subnormal ones lose no digits (algorithms/parts/winograd_scale.py).

Vector lanes are channels. A strip of adjacent tiles is processed in blocks of channels, through a
buffer [row, column, channel] that fits in L1. The zero-padded input is copied into it. Bᵀ is
applied along the columns, once for overlapping tiles, and then along the rows of each tile.

While the strip's input is in L1 it is also summed, for the test which tiles are flat (flatness.py).
"""

from __future__ import annotations

from fractions import Fraction

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.microkernel.padded_row import range_mask
from glassconv.kernels.winograd_parts.flatness import emit_sums, emit_test
from glassconv.kernels.winograd_parts.parameters import WinogradParameters
from glassconv.kernels.winograd_parts.strips import for_each_strip
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.memory_layout import NCHW


def emit_input_transform(
    module: Module, layout: str, matrix: Matrix, tile_outputs: int, stride: int
) -> Function:
    """Emit the function that transforms the tiles [first_tile, first_tile + tiles).

    `input` points to the first channel of a group of the first image.
    """
    step = tile_outputs * stride  # pixels from one tile to the next
    transform_columns = _emit_transform_columns(module, matrix)
    emit_load = _emit_load_nchw if layout == NCHW else _emit_load_nhwc
    load_strip = emit_load(module, transform_columns, len(matrix))
    transform_rows = _emit_transform_rows(module, matrix, step)
    test = emit_test(module, tile_outputs, stride, len(matrix))

    @function(module)
    def input_transform(
        code: Code,
        parameters: WinogradParameters[Value],
        input: Pointer,
        strip_buffer: Pointer,
        sums: Pointer,
        slack: Pointer,
        test_buffer: Pointer,
        v: Pointer,
        uneven: Pointer,
        first_tile: Value,
        tiles: Value,
    ) -> None:
        p = parameters
        with for_each_strip(code, p, tile_outputs, first_tile, tiles) as strip:
            y, x = strip.y * stride - p.padding_h, strip.x * stride - p.padding_w
            window = input + (
                strip.image * p.input_stride_n + y * p.input_stride_h + x * p.input_stride_w
            )
            columns = strip.tiles * step + (len(matrix) - step)
            with code.loop(0, len(matrix) * p.sums_row_stride, code.lanes) as e:
                (sums + e)[0] = code.zeros()
            with code.loop(0, p.channels, p.channel_block) as channel:
                channels = (p.channels - channel).minimum(p.channel_block)
                load_strip.call(
                    parameters=p,
                    input=window + channel * p.input_stride_c,
                    strip_buffer=strip_buffer,
                    sums=sums,
                    y=y,
                    x=x,
                    columns=columns,
                    channels=channels,
                )
                transform_rows.call(
                    parameters=p,
                    strip_buffer=strip_buffer,
                    v=v + (strip.tile_index * p.v_tile_stride + channel),
                    tiles=strip.tiles,
                    channels=channels,
                )
            test.call(
                parameters=p,
                sums=sums,
                slack=slack,
                buffer=test_buffer,
                uneven=uneven + strip.tile_index,
                tiles=strip.tiles,
                rows=(p.output_height - strip.y).minimum(tile_outputs),
                columns=p.output_width - strip.x,
            )

    return input_transform


def _emit_load_nchw(module: Module, transform_columns: Function, tile_size: int) -> Function:
    """Emit the function that loads a strip of an NCHW input and transforms its columns.

    Blocks of `lanes` channels × `lanes` columns are transposed in registers. While they are there,
    Σ|x| over their channels is added to the sums.
    """

    @function(module)
    def load_nchw(
        code: Code,
        parameters: WinogradParameters[Value],
        input: Pointer,
        strip_buffer: Pointer,
        sums: Pointer,
        y: Value,
        x: Value,
        columns: Value,
        channels: Value,
    ) -> None:
        p = parameters
        lanes, column_stride = code.lanes, p.channel_block
        first_column, end_column = (0 - x).minimum(columns), (p.input_width - x).minimum(columns)
        with code.loop(0, tile_size) as row:
            inside = (y + row >= 0) & (y + row < p.input_height)
            stop = code.select(inside, end_column, 0)
            with (
                code.loop(0, channels, lanes) as channel,
                code.loop(0, columns, lanes) as column,
            ):
                block = input + (channel * p.input_stride_c + row * p.input_stride_h + column)
                dst = strip_buffer + (row * p.strip_row_stride + column * column_stride + channel)
                total = sums + (row * p.sums_row_stride + column)
                whole = (column >= first_column) & (column + lanes <= stop)
                all_channels = channel + lanes <= channels
                planes = [block + lane * p.input_stride_c for lane in range(lanes)]
                with code.if_(whole & all_channels):  # a masked load is slow on some processors
                    loaded = [plane.vector() for plane in planes]
                    _add_and_transpose(code, loaded, total, dst, column_stride)
                with code.else_():
                    mask = range_mask(code, column, first_column, stop)
                    masked = [code.variable(code.zeros()) for _ in planes]
                    with code.if_(all_channels):
                        for plane, vector in zip(planes, masked, strict=True):
                            vector.set(plane.masked(mask))
                    with code.else_():
                        for lane, (plane, vector) in enumerate(zip(planes, masked, strict=True)):
                            with code.if_(channel + lane < channels):
                                vector.set(plane.masked(mask))
                    loaded = [vector.get() for vector in masked]
                    _add_and_transpose(code, loaded, total, dst, column_stride)
        transform_columns.call(
            parameters=p,
            src=strip_buffer,
            strip_buffer=strip_buffer,
            src_row_stride=p.strip_row_stride,
            src_column_stride=0,
            columns=1,
            channels=columns * column_stride,
        )

    return load_nchw


def _add_and_transpose(
    code: Code, loaded: list[Value], total: Pointer, dst: Pointer, column_stride: Value
) -> None:
    """Add Σ|x| over a block of channels × columns to the sums, and store its transpose."""
    absolute = [code.absolute(vector) for vector in loaded]
    while len(absolute) > 1:  # pairs: a chain of additions would wait for each
        absolute = [left + right for left, right in zip(absolute[::2], absolute[1::2], strict=True)]
    total[0] = total.vector() + absolute[0]
    for lane, vector in enumerate(code.transpose(loaded)):
        (dst + lane * column_stride)[0] = vector


def _emit_load_nhwc(module: Module, transform_columns: Function, tile_size: int) -> Function:
    """Emit the function that loads a strip of an NHWC input and transforms its columns.

    If all rows are inside the input, the column transform reads the input directly.
    """
    add_sums = emit_sums(module, tile_size)

    @function(module)
    def load_nhwc(
        code: Code,
        parameters: WinogradParameters[Value],
        input: Pointer,
        strip_buffer: Pointer,
        sums: Pointer,
        y: Value,
        x: Value,
        columns: Value,
        channels: Value,
    ) -> None:
        p = parameters
        add_sums.call(
            parameters=p, input=input, sums=sums, y=y, x=x, columns=columns, channels=channels
        )
        lanes, column_stride, row_stride = code.lanes, p.channel_block, p.strip_row_stride
        first_column, end_column = (
            (edge - x).maximum(0).minimum(columns) for edge in (code.value(0), p.input_width)
        )
        end_column = end_column.maximum(first_column)
        all_inside = (y >= 0) & (y + tile_size <= p.input_height) & (channels % lanes).equals(0)
        with code.if_(all_inside):
            for start, stop in ((code.value(0), first_column), (end_column, columns)):
                with code.loop(start * column_stride, stop * column_stride, lanes) as e:
                    for row in range(tile_size):
                        (strip_buffer + row * row_stride)[e] = code.zeros()
            transform_columns.call(
                parameters=p,
                src=input + first_column * p.input_stride_w,
                strip_buffer=strip_buffer + first_column * column_stride,
                src_row_stride=p.input_stride_h,
                src_column_stride=p.input_stride_w,
                columns=end_column - first_column,
                channels=channels,
            )
        with code.else_():
            with code.loop(0, tile_size) as i, code.loop(0, columns) as column:
                inside = (
                    (y + i >= 0)
                    & (y + i < p.input_height)
                    & (column >= first_column)
                    & (column < end_column)
                )
                stop = code.select(inside, channels, 0)
                src = input + (i * p.input_stride_h + column * p.input_stride_w)
                dst = strip_buffer + (i * row_stride + column * column_stride)
                with code.loop(0, channels, lanes) as c:
                    dst[c] = src.masked(code.first_lanes(stop - c), c)
            transform_columns.call(
                parameters=p,
                src=strip_buffer,
                strip_buffer=strip_buffer,
                src_row_stride=row_stride,
                src_column_stride=0,
                columns=1,
                channels=columns * column_stride,
            )

    return load_nhwc


def _emit_transform_columns(module: Module, matrix: Matrix) -> Function:
    """Emit the function that applies Bᵀ / u along the columns and stores into the strip buffer."""
    tile_size, scale = len(matrix), Fraction(1 / FORMATS[module.dtype].unit_roundoff)

    @function(module)
    def transform_columns(
        code: Code,
        parameters: WinogradParameters[Value],
        src: Pointer,
        strip_buffer: Pointer,
        src_row_stride: Value,
        src_column_stride: Value,
        columns: Value,
        channels: Value,
    ) -> None:
        p = parameters
        with code.loop(0, columns) as column:
            src_rows = [
                src + (column * src_column_stride + i * src_row_stride) for i in range(tile_size)
            ]
            dst_rows = [
                strip_buffer + (column * p.channel_block + i * p.strip_row_stride)
                for i in range(tile_size)
            ]
            with code.loop(0, channels, code.lanes) as c:
                transformed = transform(code, matrix, [row.vector(c) for row in src_rows], scale)
                for dst, vector in zip(dst_rows, transformed, strict=True):
                    dst[c] = vector

    return transform_columns


def _emit_transform_rows(module: Module, matrix: Matrix, step: int) -> Function:
    """Emit the function that applies Bᵀ along the rows of each tile of the strip and stores V."""
    tile_size = len(matrix)

    @function(module)
    def transform_rows(
        code: Code,
        parameters: WinogradParameters[Value],
        strip_buffer: Pointer,
        v: Pointer,
        tiles: Value,
        channels: Value,
    ) -> None:
        p = parameters
        column_stride = p.channel_block
        with code.loop(0, tiles) as tile, code.loop(0, channels, code.lanes) as c:
            src = strip_buffer + (tile * step * column_stride + c)
            dst = v + (tile * p.v_tile_stride + c)
            with code.loop(0, tile_size) as row:
                row_ptr = src + row * p.strip_row_stride
                vectors = [(row_ptr + j * column_stride).vector() for j in range(tile_size)]
                for j, vector in enumerate(transform(code, matrix, vectors)):
                    (dst + (row * tile_size + j) * p.v_element_stride)[0] = vector

    return transform_rows
