"""The generated code of pooling: lanes are channels in NHWC, and adjacent outputs in NCHW.

What each window covers of the input is in a table, for rows and for columns. Outputs of NCHW gather
their inputs, which are not adjacent where the stride is more than 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, Variable, function
from glassconv.codegen.struct import N, Struct, table_after
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations.vectors import vectors_of

WINDOW_WORDS = 3  # start, taps and divisor: a table of each, position by position
VECTORS_AT_ONCE = 4


@dataclass(frozen=True)
class PoolingParameters(Struct[N]):
    """The kernel's parameters; after them, the windows of rows, and of columns."""

    channels: N
    channel_block: N  # of a task in NHWC
    channel_blocks: N
    rows: N  # of all outputs: of images in NHWC, of planes in NCHW
    rows_per_task: N
    output_height: N
    output_width: N
    input_stride_n: N
    input_stride_c: N
    input_stride_h: N
    input_stride_w: N
    output_stride_n: N
    output_stride_c: N
    output_stride_h: N
    output_stride_w: N
    dilation_h: N
    dilation_w: N
    kernel_width: N


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


def emit_task(module: Module, kind: str, channels_last: bool) -> Function:
    """Emit the task function: some rows of outputs, in NHWC of a block of channels."""
    reduction = REDUCTIONS[kind]
    emit_row = _emit_row_of_channels if channels_last else _emit_row_of_columns
    compute_row = emit_row(module, reduction)

    @function(module)
    def task(
        code: Code,
        parameters: PoolingParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        block, start = number % p.channel_blocks, number // p.channel_blocks * p.rows_per_task
        with code.loop(start, (start + p.rows_per_task).minimum(p.rows)) as index:
            y, image = index % p.output_height, index // p.output_height
            if channels_last:
                channel = block * p.channel_block
            else:
                channel, image = image % p.channels, image // p.channels
            starts, taps, divisors = _windows(p, p.output_height, 0)
            input = arrays.input + (
                image * p.input_stride_n + channel * p.input_stride_c + starts[y] * p.input_stride_h
            )
            output = arrays.output + (
                image * p.output_stride_n + channel * p.output_stride_c + y * p.output_stride_h
            )
            compute_row.call(
                parameters=p,
                input=input,
                output=output,
                taps=taps[y],
                divisor=divisors[y],
                channels=(p.channels - channel).minimum(p.channel_block),
            )

    return task


def _emit_row_of_channels(module: Module, reduction: Reduction) -> Function:
    """Emit the function for a row of outputs whose channels are adjacent."""

    @function(module)
    def row_of_channels(
        code: Code,
        parameters: PoolingParameters[Value],
        input: Pointer,
        output: Pointer,
        taps: Value,
        divisor: Value,
        channels: Value,
    ) -> None:
        p = parameters
        starts, column_taps, divisors = _windows(p, p.output_width, p.output_height)
        tap_stride_h = p.dilation_h * p.input_stride_h
        tap_stride_w = p.dilation_w * p.input_stride_w
        with code.loop(0, p.output_width) as x:
            pixel, taps_w = input + starts[x] * p.input_stride_w, column_taps[x]
            divided_by = code.broadcast((divisor * divisors[x]).as_float())
            for vectors in vectors_of(code, 0, channels, VECTORS_AT_ONCE):
                totals = _start(code, reduction, len(vectors.starts))
                with code.loop(0, taps) as u:
                    row = _start(code, reduction, len(vectors.starts))
                    with code.loop(0, taps_w) as v:
                        tap = pixel + (u * tap_stride_h + v * tap_stride_w)
                        _combine(code, reduction, row, vectors.load(tap))
                    _combine(code, reduction, totals, [each.get() for each in row])
                results = [total.get() for total in totals]
                if reduction.is_average:
                    results = [result / divided_by for result in results]
                vectors.store(output + x * p.output_stride_w, results)

    return row_of_channels


def _emit_row_of_columns(module: Module, reduction: Reduction) -> Function:
    """Emit the function for a row of outputs whose columns are adjacent."""

    @function(module)
    def row_of_columns(
        code: Code,
        parameters: PoolingParameters[Value],
        input: Pointer,
        output: Pointer,
        taps: Value,
        divisor: Value,
        channels: Value,
    ) -> None:
        p = parameters
        for vectors in vectors_of(code, 0, p.output_width):
            (x,) = vectors.starts
            starts, taps_w, divisors = (
                columns.vector(x) for columns in _windows(p, p.output_width, p.output_height)
            )
            (total,) = _start(code, reduction, 1)
            with code.loop(0, taps) as u:
                row_ptr = input + u * (p.dilation_h * p.input_stride_h)
                (row,) = _start(code, reduction, 1)
                with code.loop(0, p.kernel_width) as v:
                    mask = code.broadcast(v) < taps_w
                    if vectors.mask is not None:
                        mask = mask & vectors.mask
                    tap = row_ptr.at(starts + code.broadcast(v * p.dilation_w), mask)
                    outside = code.constant(reduction.start)
                    _combine(code, reduction, [row], [code.select(mask, tap, outside)])
                _combine(code, reduction, [total], [row.get()])
            result = total.get()
            if reduction.is_average:
                result = result / (divisors * code.broadcast(divisor)).as_float()
            vectors.store(output, [result])

    return row_of_columns


def _windows(
    parameters: PoolingParameters[Value], positions: Value, after: Value | int
) -> list[Pointer]:
    """Return the addresses of the starts, the taps and the divisors of the windows of an axis.

    after: how many positions the axis before it has.
    """
    first = table_after(parameters) + after * WINDOW_WORDS
    return [first, first + positions, first + positions * 2]


def _start(code: Code, reduction: Reduction, count: int) -> list[Variable]:
    return [code.variable(code.constant(reduction.start)) for _ in range(count)]


def _combine(code: Code, reduction: Reduction, totals: list[Variable], values: list[Value]) -> None:
    for total, value in zip(totals, values, strict=True):
        total.set(reduction.combine(code, total.get(), value))
