"""The transform of the tiles of planes: result[element, tile, channel] = T d Tᵀ.

Vector lanes are channels. The columns of a row of tiles are copied into a strip [row, column,
channel], with zeros outside of the image; from channels first they are transposed. Then T is
applied along the columns and along the rows.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.microkernel.padded_row import range_mask
from glassconv.kernels.weight_gradients.winograd_parts.parameters import PlanesParameters
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem.memory_layout import NCHW


def emit_transform_tiles(
    module: Module, layout: str, name: str, matrix: Matrix, step: int
) -> Function:
    """Emit the function that transforms the tiles of a row, for some channels.

    matrix: T, whose columns are the pixels of a tile along an axis. step: from a tile to the next.
    strip: room for a row of tiles, after that of a tile whose columns are transformed.
    """
    size, pixels = len(matrix), len(matrix[0])
    emit_load = _emit_load_nchw if layout == NCHW else _emit_load_nhwc
    load_strip = emit_load(module, name, pixels)

    @function(module, f"transform_{name}")
    def transform_tiles(
        code: Code,
        parameters: PlanesParameters[Value],
        planes: Pointer,
        strip: Pointer,
        result: Pointer,
        row: Value,
        channels: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        image, y = row // p.tile_rows, row % p.tile_rows * step - p.padding_h
        halfway, strip = strip, strip + size * pixels * lanes
        columns = p.tile_columns * step + (pixels - step)
        row_stride = (columns + (lanes - 1)) // lanes * lanes * lanes
        with code.loop(0, channels, lanes) as channel:
            load_strip.call(
                parameters=p,
                planes=planes + (image * p.stride_n + channel * p.stride_c),
                strip=strip,
                y=y,
                columns=columns,
                row_stride=row_stride,
                channels=(channels - channel).minimum(lanes),
            )
            with code.loop(0, p.tile_columns) as tile:
                first = strip + tile * (step * lanes)
                with code.loop(0, pixels) as j:
                    column = [(first + row_stride * i + j * lanes).vector() for i in range(pixels)]
                    for element, number in enumerate(transform(code, matrix, column)):
                        halfway[(j + element * pixels) * lanes] = number
                to = result + (tile * p.channel_block + channel)
                with code.loop(0, size) as i:
                    line = halfway + i * (pixels * lanes)
                    numbers = [line.vector(pixel * lanes) for pixel in range(pixels)]
                    for element, number in enumerate(transform(code, matrix, numbers)):
                        to[(i * size + element) * p.element_stride] = number

    return transform_tiles


def _emit_load_nchw(module: Module, name: str, pixels: int) -> Function:
    """Emit the function that transposes the rows of a vector of channels into a strip."""

    @function(module, f"load_{name}")
    def load_strip(
        code: Code,
        parameters: PlanesParameters[Value],
        planes: Pointer,
        strip: Pointer,
        y: Value,
        columns: Value,
        row_stride: Value,
        channels: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        # Channels past the last one repeat it: nothing reads their tiles.
        channel_planes = [
            planes + (channels - 1).minimum(lane) * p.stride_c for lane in range(lanes)
        ]
        end = p.padding_w + p.width
        with code.loop(0, pixels) as row, code.loop(0, columns, lanes) as column:
            inside = (y + row >= 0) & (y + row < p.height)
            low, high = p.padding_w, code.select(inside, end, 0)
            place = (y + row) * p.stride_h + (column - p.padding_w)
            to = strip + (row * row_stride + column * lanes)
            is_whole = inside & (column >= low) & (column + lanes <= high)

            def store(vectors: list[Value], to: Pointer = to) -> None:
                for lane, vector in enumerate(code.transpose(vectors)):
                    to[lane * lanes] = vector

            with code.if_(is_whole):
                store([(plane + place).vector() for plane in channel_planes])
            with code.else_():
                mask = range_mask(code, column, low, high)
                store([(plane + place).masked(mask) for plane in channel_planes])

    return load_strip


def _emit_load_nhwc(module: Module, name: str, pixels: int) -> Function:
    """Emit the function that copies a vector of channels of each pixel into a strip."""

    @function(module, f"load_{name}")
    def load_strip(
        code: Code,
        parameters: PlanesParameters[Value],
        planes: Pointer,
        strip: Pointer,
        y: Value,
        columns: Value,
        row_stride: Value,
        channels: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        first = p.padding_w.minimum(columns)
        end = (p.padding_w + p.width).minimum(columns)
        with code.loop(0, pixels) as row:
            inside = (y + row >= 0) & (y + row < p.height)
            stop = code.select(inside, end, first)
            to = strip + row * row_stride
            with code.loop(0, first) as column:
                to[column * lanes] = code.zeros()
            source = planes + (y + row) * p.stride_h
            exist = code.first_lanes(channels)
            with code.if_(channels.equals(lanes)), code.loop(first, stop) as column:
                to[column * lanes] = source.vector((column - p.padding_w) * p.stride_w)
            with code.if_(channels < lanes), code.loop(first, stop) as column:
                to[column * lanes] = source.masked(exist, (column - p.padding_w) * p.stride_w)
            with code.loop(stop, columns) as column:
                to[column * lanes] = code.zeros()

    return load_strip
