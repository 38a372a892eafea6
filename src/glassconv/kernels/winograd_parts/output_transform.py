"""Winograd's output transform: each tile's outputs Aᵀ M A plus the bias, from M[element, tile, f].

Lanes are filters. Where channels lie together outputs are stored as they are made; where pixels do,
those of a strip of tiles are first kept in a buffer, [row, column, lane], and then transposed.

A NaN or an infinity of the input reaches every output of its tile, and so does a sum that overflows
on its way. Each output is therefore tested, and a tile where one is not finite is computed again
by the definition, which spreads nothing.
"""

from __future__ import annotations

from typing import Any

from glassconv.codegen.ir import INT, POINTER, Code, Module, Pointer, Value
from glassconv.codegen.legacy import LegacyCode, Sizes
from glassconv.kernels.winograd_parts.fallback import again
from glassconv.kernels.winograd_parts.strips import NAMES, strips
from glassconv.kernels.winograd_parts.transform_code import transform
from glassconv.mathematics.cook_toom import Matrix
from glassconv.problem.memory_layout import NCHW


def output_transform(module: Module, layout: str, matrix: Matrix, taps: int, finish: Any) -> Code:
    """Write the function of some filters' output tiles.

    It takes (plan, input of a group, M, buffer, filters as they lie, bias, output, first tile,
    tiles, filters, distance to the residual); the filters, the bias and the output begin with the
    first filter. finish: what is done to outputs that are stored, None where they are left as they
    are.
    """
    outputs, n = len(matrix), len(matrix[0])
    tile = _tile(module, matrix, taps)
    to_planes = _to_planes(module) if layout == NCHW else None
    code = LegacyCode(module, "output_transform", [POINTER] * 7 + [INT] * 4)
    plan, input, m, buffer, weight, bias, output, first, tiles, filters, distance = code.arguments()
    size = Sizes(code, plan, NAMES)
    kept = buffer + outputs * n * code.lanes  # the first part holds half a transform
    kept_row = size.strip * (outputs * code.lanes)
    with strips(code, size, outputs, first, tiles) as strip:
        picture = input + strip.batch * size.input_n
        rows = (size.out_h - strip.y).minimum(outputs)
        columns = (size.out_w - strip.x).minimum(strip.tiles * outputs)
        corner = output + (
            strip.batch * size.output_n + strip.y * size.output_h + strip.x * size.output_w
        )
        with code.loop(0, filters, code.lanes) as f:
            lanes = (filters - f).minimum(code.lanes)
            weights = weight + f * (size.channels * taps**2)
            with code.loop(0, strip.tiles) as number:
                x = number * outputs
                source = m + ((strip.place + number) * size.row_m + f)
                if layout == NCHW:
                    target, row_step, step = kept + x * code.lanes, kept_row, code.value(code.lanes)
                else:
                    target = corner + (x * size.output_w + f)
                    row_step, step = size.output_h, size.output_w
                code.call_function(
                    tile, plan, picture, source, buffer, weights, bias + f, target, row_step, step,
                    strip.y, strip.x + x, rows, (columns - x).minimum(outputs), lanes,
                )  # fmt: skip
            if to_planes:
                result = corner + f * size.output_c
                code.call_function(to_planes, plan, kept, result, kept_row, rows, columns, lanes)
        if finish:
            # Runs of a filter's columns, or of a pixel's filters.
            if to_planes:
                number, apart, runs, step, run = (
                    filters, size.output_c, rows, size.output_h, columns
                )  # fmt: skip
            else:
                number, apart, runs, step, run = (
                    rows, size.output_h, columns, size.output_w, filters
                )  # fmt: skip
            with code.loop(0, number) as i:
                code.call_function(finish, corner + i * apart, runs, step, run, distance)
    code.finish()
    return code


def _tile(module: Module, matrix: Matrix, taps: int) -> Code:
    """Write the function that transforms one tile of as many filters as a vector has lanes.

    Only `rows` rows, `columns` columns and `lanes` lanes of what it makes are stored.
    """
    direct = again(module, taps)
    n = len(matrix[0])
    code = LegacyCode(module, "output_tile", [POINTER] * 7 + [INT] * 7)
    (plan, input, m, half, weight, bias, target,
     row_step, step, y, x, rows, columns, lanes) = code.arguments()  # fmt: skip
    size = Sizes(code, plan, NAMES)
    with code.loop(0, n) as j:
        column = m + j * size.element_m
        made = transform(
            code, matrix, [(column + i * n * size.element_m).vector() for i in range(n)]
        )
        for row, vector in enumerate(made):
            (half + (row * n + j) * code.lanes)[0] = vector
    biases = bias.masked(code.first_lanes(lanes))
    zeros = code.zeros()
    tested = code.variable(zeros)  # stays zero as long as every output is finite
    whole = lanes.equals(code.lanes)
    with code.loop(0, rows) as i:
        line = half + i * (n * code.lanes)
        made = transform(code, matrix, [line.vector(at * code.lanes) for at in range(n)])
        for column_of_tile, vector in enumerate(made):
            place = target + (i * row_step + column_of_tile * step)
            with code.when(columns > column_of_tile):
                tested.set(code.fma(vector, zeros, tested.get()))
                with code.either(whole) as (plainly, partly):
                    with plainly:
                        place[0] = vector + biases
                    with partly:
                        place.store_masked(code.first_lanes(lanes), vector + biases)
    with code.when(code.any_nan(tested.get())):
        code.call_function(
            direct, plan, input, weight, bias, target, row_step, step, y, x, rows, columns, lanes
        )
    code.finish()
    return code


def _to_planes(module: Module) -> Code:
    """Write the function that transposes kept outputs into the planes of their filters.

    A row's last vector ends where the row does, so that some outputs are stored twice; only a row
    that is shorter than a vector is stored in part.
    """
    code = LegacyCode(module, "to_planes", [POINTER] * 3 + [INT] * 4)
    plan, kept, result, kept_row, rows, columns, filters = code.arguments()
    size = Sizes(code, plan, NAMES)
    lanes = code.lanes
    with code.loop(0, rows) as row, code.loop(0, columns, lanes) as nominal:
        column = nominal.minimum(columns - lanes).maximum(0)
        source = kept + (row * kept_row + column * lanes)
        target = result + (row * size.output_h + column)
        vectors = code.transpose([source.vector(lane * lanes) for lane in range(lanes)])
        with code.either(columns >= lanes) as (plainly, partly):
            with plainly:
                _store(code, target, size.output_c, vectors, filters, None)
            with partly:
                _store(code, target, size.output_c, vectors, filters, code.first_lanes(columns))
    code.finish()
    return code


def _store(
    code: Code,
    target: Pointer,
    plane: Value,
    vectors: list[Value],
    filters: Value,
    mask: Value | None,
) -> None:
    for number, vector in enumerate(vectors):
        with code.if_(filters > number):
            place = target + number * plane
            if mask is None:
                place[0] = vector
            else:
                place.store_masked(mask, vector)
