"""The generated code of pooling: lanes are channels in NHWC, and adjacent outputs in NCHW.

What each window covers of the input is in a table, for rows and for columns. In NCHW the rows of a
window are combined first, by vectors of adjacent inputs, in a workspace that has the padding. Then
its columns are, and as many vectors as the stride are loaded for each vector of outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, Variable, function
from glassconv.codegen.struct import table_after
from glassconv.operations.images import ImageParameters
from glassconv.operations.vectors import vectors_of

VECTORS_AT_ONCE = 4


@dataclass(frozen=True)
class Reduction:
    """How the inputs of a window are combined."""

    start: float
    combine: Callable[[Code, Value, Value], Value]
    is_average: bool = False


def _maximum(code: Code, most: Value, x: Value) -> Value:
    """Return the greater of two, or NaN where one is."""
    return code.select(x.is_nan(), x, code.select(x > most, x, most))


REDUCTIONS = {
    "max": Reduction(-inf, _maximum),
    "average": Reduction(0.0, lambda _, total, x: total + x, is_average=True),
}


class WindowTable:
    """The table after the parameters, which pooling.py packs.

    It has the numbers below, and then for rows and for columns the start, the taps and the divisor
    of each window, position by position.

    width: of the input. padding: before a row. padded_width: what all windows cover of a row.
    """

    HEADER_WORDS = 6

    def __init__(self, code: Code, parameters: ImageParameters[Value]) -> None:
        p = parameters
        with code.at_entry():
            table = table_after(p)
            self.dilation_h, self.dilation_w, self.kernel_width = (table[i] for i in range(3))
            self.width, self.padding, self.padded_width = (table[i] for i in range(3, 6))
            rows = table + self.HEADER_WORDS
            columns = rows + p.output_height * 3
            self.rows = [rows + p.output_height * place for place in range(3)]
            self.columns = [columns + p.output_width * place for place in range(3)]


def emit_row_of_channels(module: Module, kind: str) -> Function:
    """Emit the function for a row of outputs whose channels are adjacent."""
    reduction = REDUCTIONS[kind]

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
        p, table = parameters, WindowTable(code, parameters)
        first_row, taps_h, divisor_h = (words[y] for words in table.rows)
        tap_stride_h = table.dilation_h * p.input_stride_h
        tap_stride_w = table.dilation_w * p.input_stride_w
        first_tap = input + first_row * p.input_stride_h
        with code.loop(0, p.output_width) as x:
            first_column, taps_w, divisor_w = (words[x] for words in table.columns)
            window = first_tap + first_column * p.input_stride_w
            divisor = code.broadcast((divisor_h * divisor_w).as_float())
            for vectors in vectors_of(code, 0, channels, VECTORS_AT_ONCE):
                totals = _start(code, reduction, len(vectors.starts))
                with code.loop(0, taps_h) as u:
                    row = _start(code, reduction, len(vectors.starts))
                    with code.loop(0, taps_w) as v:
                        tap = window + (u * tap_stride_h + v * tap_stride_w)
                        _combine(code, reduction, row, vectors.load(tap))
                    _combine(code, reduction, totals, [each.get() for each in row])
                results = [total.get() for total in totals]
                if reduction.is_average:
                    results = [result / divisor for result in results]
                vectors.store(output + x * p.output_stride_w, results)

    return row_of_channels


def emit_row_of_columns(module: Module, kind: str, stride: int) -> Function:
    """Emit the function for a row of outputs whose columns are adjacent."""
    reduction = REDUCTIONS[kind]

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
        p, table = parameters, WindowTable(code, parameters)
        first_row, taps_h, divisor_h = (words[y] for words in table.rows)
        first_tap = input + first_row * p.input_stride_h
        outside = code.constant(reduction.start)
        with code.loop(0, table.padding, code.lanes) as place:
            workspace[place] = outside
        inside = workspace + table.padding
        for vectors in vectors_of(code, 0, table.width, VECTORS_AT_ONCE):
            column = _start(code, reduction, len(vectors.starts))
            with code.loop(0, taps_h) as u:
                tap = first_tap + u * (table.dilation_h * p.input_stride_h)
                _combine(code, reduction, column, vectors.load(tap))
            vectors.store(inside, [each.get() for each in column])
        with code.loop(table.padding + table.width, table.padded_width, code.lanes) as place:
            workspace[place] = outside
        for vectors in vectors_of(code, 0, p.output_width):
            (x,) = vectors.starts
            (total,) = _start(code, reduction, 1)
            with code.loop(0, table.kernel_width) as v:
                tap = workspace + (x * stride + v * table.dilation_w)
                _combine(code, reduction, [total], [_every(code, tap, stride)])
            result = total.get()
            if reduction.is_average:
                divisors_w = table.columns[2].vector(x)
                result = result / (divisors_w * code.broadcast(divisor_h)).as_float()
            vectors.store(output, [result])

    return row_of_columns


def _every(code: Code, start: Pointer, stride: int) -> Value:
    """Return one element every `stride`, from as many vectors."""
    places = [divmod(lane * stride, code.lanes) for lane in range(code.lanes)]
    result = start.vector()
    for source in range(stride):
        # Lanes that are in this vector are taken from it, the others stay.
        taken = [
            code.lanes + place if vector == source else lane
            for lane, (vector, place) in enumerate(places)
        ]
        result = code.shuffle(result, start.vector(source * code.lanes), taken)
    return result


def _start(code: Code, reduction: Reduction, count: int) -> list[Variable]:
    return [code.variable(code.constant(reduction.start)) for _ in range(count)]


def _combine(code: Code, reduction: Reduction, totals: list[Variable], values: list[Value]) -> None:
    for total, value in zip(totals, values, strict=True):
        total.set(reduction.combine(code, total.get(), value))
