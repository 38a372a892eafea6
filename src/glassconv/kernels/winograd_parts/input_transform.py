"""Winograd's input transform: V[element, tile, channel] = Bᵀ d B of each tile d of each channel.

Lanes are channels. A strip of tiles, some channels at a time, goes through a buffer that L1 holds,
[row, column, channel]: pixels are copied there with zeros for padding, Bᵀ is applied down its
columns once for all tiles that share them, then along each tile's rows.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.microkernel.lowering import between
from glassconv.kernels.winograd_parts.parameters import WinogradParameters
from glassconv.kernels.winograd_parts.strips import strips
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem.memory_layout import NCHW


def input_transform_function(module: Module, layout: str, matrix: Matrix, outputs: int) -> Function:
    """Write the function that transforms `tiles` tiles from number `first` on.

    `input`: the first channel of a group of the first image.
    """
    down = _down_columns(module, matrix)
    fill = (_from_nchw if layout == NCHW else _from_nhwc)(module, down, len(matrix))
    along = _along_rows(module, matrix, outputs)

    @function(module)
    def input_transform(
        code: Code,
        parameters: WinogradParameters[Value],
        input: Pointer,
        strip_buffer: Pointer,
        v: Pointer,
        first: Value,
        tiles: Value,
    ) -> None:
        p = parameters
        with strips(code, p, outputs, first, tiles) as strip:
            y, x = strip.y - p.padding_h, strip.x - p.padding_w
            corner = input + (
                strip.image * p.input_stride_n + y * p.input_stride_h + x * p.input_stride_w
            )
            columns = strip.tiles * outputs + (len(matrix) - outputs)
            with code.loop(0, p.channels, p.channel_part) as channel:
                channels = (p.channels - channel).minimum(p.channel_part)
                fill.call(
                    parameters=p,
                    pixels=corner + channel * p.input_stride_c,
                    strip_buffer=strip_buffer,
                    y=y,
                    x=x,
                    columns=columns,
                    channels=channels,
                )
                along.call(
                    parameters=p,
                    strip_buffer=strip_buffer,
                    v=v + (strip.place * p.v_tile_stride + channel),
                    tiles=strip.tiles,
                    channels=channels,
                )

    return input_transform


def _from_nchw(module: Module, down: Function, n: int) -> Function:
    """Write the function that fills a strip from an input whose rows are contiguous.

    Pixels of as many channels as a vector has lanes are transposed, vector by vector.
    """

    @function(module)
    def from_nchw(
        code: Code,
        parameters: WinogradParameters[Value],
        pixels: Pointer,
        strip_buffer: Pointer,
        y: Value,
        x: Value,
        columns: Value,
        channels: Value,
    ) -> None:
        p = parameters
        lanes, part = code.lanes, p.channel_part
        low, high = (0 - x).minimum(columns), (p.input_width - x).minimum(columns)
        with code.loop(0, n) as row:
            inside = (y + row >= 0) & (y + row < p.input_height)
            stop = code.select(inside, high, 0)
            with (
                code.loop(0, channels, lanes) as channel,
                code.loop(0, columns, lanes) as column,
            ):
                mask = between(code, column, low, stop)
                loaded = []
                for lane in range(lanes):
                    # Nothing reads the channels beyond the last: it is loaded in their place.
                    plane = (channel + lane).minimum(channels - 1) * p.input_stride_c
                    offset = plane + row * p.input_stride_h + column
                    loaded.append((pixels + offset).masked(mask))
                target = strip_buffer + (row * p.strip_stride + column * part + channel)
                for lane, vector in enumerate(code.transpose(loaded)):
                    (target + lane * part)[0] = vector
        down.call(
            parameters=p,
            source=strip_buffer,
            strip_buffer=strip_buffer,
            source_row_stride=p.strip_stride,
            source_column_stride=0,
            columns=1,
            channels=columns * part,
        )

    return from_nchw


def _from_nhwc(module: Module, down: Function, n: int) -> Function:
    """Write the function that fills a strip from an input whose channels are contiguous.

    Where all its rows are inside the input, its pixels are transformed as they are read.
    """

    @function(module)
    def from_nhwc(
        code: Code,
        parameters: WinogradParameters[Value],
        pixels: Pointer,
        strip_buffer: Pointer,
        y: Value,
        x: Value,
        columns: Value,
        channels: Value,
    ) -> None:
        p = parameters
        lanes, part, stride = code.lanes, p.channel_part, p.strip_stride
        low, high = (
            (edge - x).maximum(0).minimum(columns) for edge in (code.value(0), p.input_width)
        )
        high = high.maximum(low)
        whole = (y >= 0) & (y + n <= p.input_height) & (channels % lanes).equals(0)
        with code.if_(whole):
            for start, stop in ((code.value(0), low), (high, columns)):
                with code.loop(start * part, stop * part, lanes) as e:
                    for row in range(n):
                        (strip_buffer + row * stride)[e] = code.zeros()
            down.call(
                parameters=p,
                source=pixels + low * p.input_stride_w,
                strip_buffer=strip_buffer + low * part,
                source_row_stride=p.input_stride_h,
                source_column_stride=p.input_stride_w,
                columns=high - low,
                channels=channels,
            )
        with code.else_():
            with code.loop(0, n) as i, code.loop(0, columns) as column:
                inside = (y + i >= 0) & (y + i < p.input_height) & (column >= low) & (column < high)
                stop = code.select(inside, channels, 0)
                source = pixels + (i * p.input_stride_h + column * p.input_stride_w)
                target = strip_buffer + (i * stride + column * part)
                with code.loop(0, channels, lanes) as c:
                    target[c] = source.masked(code.first_lanes(stop - c), c)
            down.call(
                parameters=p,
                source=strip_buffer,
                strip_buffer=strip_buffer,
                source_row_stride=stride,
                source_column_stride=0,
                columns=1,
                channels=columns * part,
            )

    return from_nhwc


def _down_columns(module: Module, matrix: Matrix) -> Function:
    """Write the function that applies Bᵀ down columns of so many channels, into a strip."""
    n = len(matrix)

    @function(module)
    def down_columns(
        code: Code,
        parameters: WinogradParameters[Value],
        source: Pointer,
        strip_buffer: Pointer,
        source_row_stride: Value,
        source_column_stride: Value,
        columns: Value,
        channels: Value,
    ) -> None:
        p = parameters
        with code.loop(0, columns) as column:
            rows = [
                source + (column * source_column_stride + i * source_row_stride) for i in range(n)
            ]
            targets = [
                strip_buffer + (column * p.channel_part + i * p.strip_stride) for i in range(n)
            ]
            with code.loop(0, channels, code.lanes) as c:
                transformed = transform(code, matrix, [row.vector(c) for row in rows])
                for target, vector in zip(targets, transformed, strict=True):
                    target[c] = vector

    return down_columns


def _along_rows(module: Module, matrix: Matrix, outputs: int) -> Function:
    """Write the function that applies Bᵀ along each tile's rows, from the strip into V."""
    n = len(matrix)

    @function(module)
    def along_rows(
        code: Code,
        parameters: WinogradParameters[Value],
        strip_buffer: Pointer,
        v: Pointer,
        tiles: Value,
        channels: Value,
    ) -> None:
        p = parameters
        part = p.channel_part
        with code.loop(0, tiles) as tile, code.loop(0, channels, code.lanes) as c:
            source = strip_buffer + (tile * outputs * part + c)
            target = v + (tile * p.v_tile_stride + c)
            with code.loop(0, n) as row:
                line = source + row * p.strip_stride
                vectors = [(line + j * part).vector() for j in range(n)]
                for j, vector in enumerate(transform(code, matrix, vectors)):
                    (target + (row * n + j) * p.v_element_stride)[0] = vector

    return along_rows
