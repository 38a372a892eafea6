"""Winograd's input transform: V[element, tile, channel] = Bᵀ d B of each tile d of each channel.

Lanes are channels. A strip of tiles, some channels at a time, goes through a buffer that the first
cache holds, [row, column, channel]: pixels are laid there with zeros for padding, Bᵀ is applied
down its columns once for all tiles that share them, then along each tile's rows.
"""

from __future__ import annotations

from glassconv.codegen.ir import INT, POINTER, Code, Module
from glassconv.codegen.legacy import LegacyCode, Sizes
from glassconv.kernels.microkernel.lowering import between
from glassconv.kernels.winograd_parts.strips import NAMES, strips
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem.memory_layout import NCHW


def input_transform(module: Module, layout: str, matrix: Matrix, outputs: int) -> Code:
    """Write the function of (plan, input of a group, strip buffer, V, first tile, tiles)."""
    down = _down_columns(module, matrix)
    fill = (_from_planes if layout == NCHW else _from_pixels)(module, down, len(matrix))
    along = _along_rows(module, matrix, outputs)
    code = LegacyCode(module, "input_transform", [POINTER] * 4 + [INT] * 2)
    plan, input, buffer, v, first, tiles = code.arguments()
    size = Sizes(code, plan, NAMES)
    with strips(code, size, outputs, first, tiles) as strip:
        y, x = strip.y - size.padding_h, strip.x - size.padding_w
        corner = input + (strip.batch * size.input_n + y * size.input_h + x * size.input_w)
        columns = strip.tiles * outputs + (len(matrix) - outputs)
        with code.loop(0, size.channels, size.channel_part) as channel:
            channels = (size.channels - channel).minimum(size.channel_part)
            pixels = corner + channel * size.input_c
            code.call_function(fill, plan, pixels, buffer, y, x, columns, channels)
            target = v + (strip.place * size.row_v + channel)
            code.call_function(along, plan, buffer, target, strip.tiles, channels)
    code.finish()
    return code


def _from_planes(module: Module, down: Code, n: int) -> Code:
    """Write the function that fills a strip from pictures whose rows are contiguous.

    Pixels of as many channels as a vector has lanes are transposed, vector by vector.
    """
    code = LegacyCode(module, "from_planes", [POINTER] * 3 + [INT] * 4)
    plan, pixels, buffer, y, x, columns, channels = code.arguments()
    size = Sizes(code, plan, NAMES)
    lanes, part = code.lanes, size.channel_part
    low, high = (0 - x).minimum(columns), (size.in_w - x).minimum(columns)
    with code.loop(0, n) as row:
        inside = (y + row >= 0) & (y + row < size.in_h)
        stop = code.select(inside, high, 0)
        with (
            code.loop(0, channels, lanes) as channel,
            code.loop(0, columns, lanes) as column,
        ):
            mask = between(code, column, low, stop)
            loaded = []
            for lane in range(lanes):
                # Channels beyond the last are read by nobody: it stands for them.
                plane = (channel + lane).minimum(channels - 1) * size.input_c
                loaded.append((pixels + (plane + row * size.input_h + column)).masked(mask))
            target = buffer + (row * size.strip_row + column * part + channel)
            for lane, vector in enumerate(code.transpose(loaded)):
                (target + lane * part)[0] = vector
    code.call_function(down, plan, buffer, buffer, size.strip_row, 0, 1, columns * part)
    code.finish()
    return code


def _from_pixels(module: Module, down: Code, n: int) -> Code:
    """Write the function that fills a strip from pictures whose channels are contiguous.

    Where all rows stand on the picture its pixels are transformed as they are read.
    """
    code = LegacyCode(module, "from_pixels", [POINTER] * 3 + [INT] * 4)
    plan, pixels, buffer, y, x, columns, channels = code.arguments()
    size = Sizes(code, plan, NAMES)
    lanes, part, row = code.lanes, size.channel_part, size.strip_row
    low, high = ((each - x).maximum(0).minimum(columns) for each in (code.value(0), size.in_w))
    high = high.maximum(low)
    whole = (y >= 0) & (y + n <= size.in_h) & (channels % lanes).equals(0)
    with code.either(whole) as (plainly, carefully):
        with plainly:
            for start, stop in ((code.value(0), low), (high, columns)):
                with code.loop(start * part, stop * part, lanes) as e:
                    for each in range(n):
                        (buffer + each * row)[e] = code.zeros()
            given = [size.input_h, size.input_w, high - low, channels]
            source = pixels + low * size.input_w
            code.call_function(down, plan, source, buffer + low * part, *given)
        with carefully:
            with code.loop(0, n) as i, code.loop(0, columns) as column:
                inside = (y + i >= 0) & (y + i < size.in_h) & (column >= low) & (column < high)
                stop = code.select(inside, channels, 0)
                source = pixels + (i * size.input_h + column * size.input_w)
                target = buffer + (i * row + column * part)
                with code.loop(0, channels, lanes) as c:
                    target[c] = source.masked(code.first_lanes(stop - c), c)
            code.call_function(down, plan, buffer, buffer, row, 0, 1, columns * part)
    code.finish()
    return code


def _down_columns(module: Module, matrix: Matrix) -> Code:
    """Write the function that applies Bᵀ down columns of so many channels each, into a strip.

    It takes (plan, source, strip, the source's step of a row, of a column, columns, channels).
    """
    code = LegacyCode(module, "down_columns", [POINTER] * 3 + [INT] * 4)
    plan, source, strip, source_row, source_column, columns, channels = code.arguments()
    size = Sizes(code, plan, NAMES)
    n = len(matrix)
    with code.loop(0, columns) as column:
        rows = [source + (column * source_column + i * source_row) for i in range(n)]
        targets = [strip + (column * size.channel_part + i * size.strip_row) for i in range(n)]
        with code.loop(0, channels, code.lanes) as c:
            made = transform(code, matrix, [row.vector(c) for row in rows])
            for target, vector in zip(targets, made, strict=True):
                target[c] = vector
    code.finish()
    return code


def _along_rows(module: Module, matrix: Matrix, outputs: int) -> Code:
    """Write the function that applies Bᵀ along each tile's rows, from the strip into V."""
    code = LegacyCode(module, "along_rows", [POINTER] * 3 + [INT] * 2)
    plan, buffer, v, tiles, channels = code.arguments()
    size = Sizes(code, plan, NAMES)
    part, n = size.channel_part, len(matrix)
    with code.loop(0, tiles) as tile, code.loop(0, channels, code.lanes) as c:
        source = buffer + (tile * outputs * part + c)
        target = v + (tile * size.row_v + c)
        with code.loop(0, n) as row:
            line = source + row * size.strip_row
            made = transform(code, matrix, [(line + j * part).vector() for j in range(n)])
            for j, vector in enumerate(made):
                (target + (row * n + j) * size.element_v)[0] = vector
    code.finish()
    return code
