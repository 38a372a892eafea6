"""The transform of the tiles of planes: result[element, tile, channel] = T d Tᵀ.

Vector lanes are channels. The columns of a row of tiles are transposed into a strip [row, column,
channel], with zeros outside of the plane. Then T is applied along the columns and along the rows.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.microkernel.padded_row import range_mask
from glassconv.kernels.weight_gradients.winograd_parts.parameters import PlanesParameters
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix


def emit_transform_tiles(module: Module, name: str, matrix: Matrix, step: int) -> Function:
    """Emit the function that transforms the tiles of a row, for some channels.

    matrix: T, whose columns are the pixels of a tile along an axis. step: from a tile to the next.
    strip: room for a row of tiles, after that of a tile whose columns are transformed.
    """
    size, pixels = len(matrix), len(matrix[0])
    load_strip = _emit_load_strip(module, name, pixels)

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


def _emit_load_strip(module: Module, name: str, pixels: int) -> Function:
    """Emit the function that transposes the rows of some channels into a strip."""

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
            place = (y + row) * p.width + (column - p.padding_w)
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
