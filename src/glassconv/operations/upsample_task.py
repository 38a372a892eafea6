"""The generated code of bilinear upsampling: lanes are channels in NHWC, and columns in NCHW.

In NCHW the neighboring rows are weighted first, into a workspace of one row. From that the
neighboring columns are gathered.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import table_after
from glassconv.codegen.types import FLOATS
from glassconv.operations.images import ImageParameters
from glassconv.operations.vectors import vectors_of

VECTORS_AT_ONCE = 2


class NeighborTable:
    """The table after the parameters, which upsample.py packs.

    It has the width of the input. Then, for rows and for columns, it has the first and the second
    neighbor of each output, and the weights of both in float64.
    """

    def __init__(self, code: Code, parameters: ImageParameters[Value]) -> None:
        p = parameters
        with code.at_entry():
            self.input_width, rows = table_after(p)[0], table_after(p) + 1
            columns = rows + p.output_height * 4
            self.rows, self.row_weights = _tables(rows, p.output_height)
            self.columns, self.column_weights = _tables(columns, p.output_width)


def _tables(start: Pointer, size: Value) -> tuple[list[Pointer], list[Pointer]]:
    """Return the tables of neighbors, and of their weights."""
    first, second, weight_of_first, weight_of_second = (start + size * place for place in range(4))
    weights = [each.cast(FLOATS["float64"]) for each in (weight_of_first, weight_of_second)]
    return [first, second], weights


def emit_row_of_channels(module: Module) -> Function:
    """Emit the function for a row of outputs whose channels are adjacent."""

    @function(module)
    def row_of_channels(
        code: Code,
        parameters: ImageParameters[Value],
        input: Pointer,
        output: Pointer,
        workspace: Pointer,
        y: Value,
        channels: Value,
    ) -> None:
        p, table = parameters, NeighborTable(code, parameters)
        rows = [input + words[y] * p.input_stride_h for words in table.rows]
        row_weights = _broadcast(code, table.row_weights, y)
        with code.loop(0, p.output_width) as x:
            places = [words[x] * p.input_stride_w for words in table.columns]
            column_weights = _broadcast(code, table.column_weights, x)
            for vectors in vectors_of(code, 0, channels, VECTORS_AT_ONCE):
                along_rows = [
                    _weighted(code, column_weights, [vectors.load(row + place) for place in places])
                    for row in rows
                ]
                results = _weighted(code, row_weights, along_rows)
                vectors.store(output + x * p.output_stride_w, results)

    return row_of_channels


def emit_row_of_columns(module: Module) -> Function:
    """Emit the function for a row of outputs whose columns are adjacent."""

    @function(module)
    def row_of_columns(
        code: Code,
        parameters: ImageParameters[Value],
        input: Pointer,
        output: Pointer,
        workspace: Pointer,
        y: Value,
        channels: Value,
    ) -> None:
        p, table = parameters, NeighborTable(code, parameters)
        rows = [input + words[y] * p.input_stride_h for words in table.rows]
        row_weights = _broadcast(code, table.row_weights, y)
        for vectors in vectors_of(code, 0, table.input_width, VECTORS_AT_ONCE):
            between = _weighted(code, row_weights, [vectors.load(row) for row in rows])
            vectors.store(workspace, between)
        for vectors in vectors_of(code, 0, p.output_width):
            (x,) = vectors.starts
            mask = vectors.mask or code.first_lanes(code.value(code.lanes))
            places = [words.vector(x) for words in table.columns]
            weights = [words.vector(x).as_type(code.dtype) for words in table.column_weights]
            neighbors = [[workspace.at(place, mask)] for place in places]
            vectors.store(output, _weighted(code, weights, neighbors))

    return row_of_columns


def _broadcast(code: Code, weights: list[Pointer], position: Value) -> list[Value]:
    """Return the weights of both neighbors, each in all lanes."""
    return [code.broadcast(words[position].as_type(code.dtype)) for words in weights]


def _weighted(code: Code, weights: list[Value], neighbors: list[list[Value]]) -> list[Value]:
    """Return the weighted sums of two neighbors' vectors."""
    return [
        code.fma(weights[0], first, weights[1] * second)
        for first, second in zip(*neighbors, strict=True)
    ]
