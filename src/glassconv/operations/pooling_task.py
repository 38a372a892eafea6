"""The generated code of pooling: lanes are channels in NHWC, and adjacent outputs in NCHW.

What each window covers of the input is in a table, for rows and for columns. Outputs of NCHW gather
their inputs, which are not adjacent where the stride is more than 1.
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

    It has the dilations of rows and of columns, the width of the kernel, and then for rows and for
    columns the start, the taps and the divisor of each window, position by position.
    """

    HEADER_WORDS = 3

    def __init__(self, code: Code, parameters: ImageParameters[Value]) -> None:
        p = parameters
        with code.at_entry():
            table = table_after(p)
            self.dilation_h, self.dilation_w, self.kernel_width = (table[i] for i in range(3))
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


def emit_row_of_columns(module: Module, kind: str) -> Function:
    """Emit the function for a row of outputs whose columns are adjacent."""
    reduction = REDUCTIONS[kind]

    @function(module)
    def row_of_columns(
        code: Code,
        parameters: ImageParameters[Value],
        input: Pointer,
        output: Pointer,
        y: Value,
        channels: Value,
    ) -> None:
        p, table = parameters, WindowTable(code, parameters)
        first_row, taps_h, divisor_h = (words[y] for words in table.rows)
        outside = code.constant(reduction.start)
        for vectors in vectors_of(code, 0, p.output_width):
            (x,) = vectors.starts
            columns, taps_w, divisors_w = (words.vector(x) for words in table.columns)
            (total,) = _start(code, reduction, 1)
            with code.loop(0, taps_h) as u:
                row_ptr = input + (first_row + u * table.dilation_h) * p.input_stride_h
                (row,) = _start(code, reduction, 1)
                with code.loop(0, table.kernel_width) as v:
                    mask = code.broadcast(v) < taps_w
                    if vectors.mask is not None:
                        mask = mask & vectors.mask
                    taps = row_ptr.at(columns + code.broadcast(v * table.dilation_w), mask)
                    _combine(code, reduction, [row], [code.select(mask, taps, outside)])
                _combine(code, reduction, [total], [row.get()])
            result = total.get()
            if reduction.is_average:
                result = result / (divisors_w * code.broadcast(divisor_h)).as_float()
            vectors.store(output, [result])

    return row_of_columns


def _start(code: Code, reduction: Reduction, count: int) -> list[Variable]:
    return [code.variable(code.constant(reduction.start)) for _ in range(count)]


def _combine(code: Code, reduction: Reduction, totals: list[Variable], values: list[Value]) -> None:
    for total, value in zip(totals, values, strict=True):
        total.set(reduction.combine(code, total.get(), value))
