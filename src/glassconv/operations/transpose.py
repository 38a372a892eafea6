"""Copies whose adjacent elements are those of one axis in the input, and of another in the output.

    output[row · output_stride + column] = input[column · input_stride + row]

A square block of vectors is loaded along rows, transposed in registers and stored along columns.
Where there are few columns without gaps (colours, the groups of a channel shuffle, neighbors that
are repeated), as many vectors are interleaved instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack, table_after
from glassconv.codegen.target import Target
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations.loop_nest import MAX_DEPTH, OUTPUT, Axis, joined_axes
from glassconv.operations.step import Step, tasks_wanted
from glassconv.operations.strided import Strided
from glassconv.operations.vectors import vectors_of
from glassconv.reports.verdict import Verdict

MAX_INTERLEAVED = 4


def supports(axes: Sequence[Axis]) -> Verdict:
    """Return whether an outer axis is adjacent in the input, the innermost one in the output."""
    if len(axes) > MAX_DEPTH:
        return Verdict(False, f"requires at most {MAX_DEPTH} nested loops, got {len(axes)}")
    if not axes or axes[-1].strides[OUTPUT] != 1 or axes[-1].strides["input"] == 1:
        return Verdict(False, "requires an innermost axis that is adjacent in the output alone")
    rows = _rows(axes)
    if rows is None:
        return Verdict(False, "requires an axis that is adjacent in the input")
    if axes[-1].strides["input"] == 0 and not _are_interleaved(rows, axes[-1]):
        return Verdict(False, "requires columns that differ, or a few without gaps")
    return Verdict(True, "")


def _rows(axes: Sequence[Axis]) -> Axis | None:
    """Return the axis whose elements are adjacent in the input."""
    return next((axis for axis in axes if axis.strides["input"] == 1), None)


def _are_interleaved(rows: Axis, columns: Axis) -> bool:
    """Return whether there are few columns without gaps."""
    return rows.strides[OUTPUT] == columns.size <= MAX_INTERLEAVED


@dataclass(frozen=True)
class TransposeParameters(Struct[N]):
    """The kernel's parameters; after them, the sizes and both strides of the other axes."""

    rows: N
    columns: N
    input_stride: N  # from one column to the next
    output_stride: N  # from one row to the next
    per_task: N


@dataclass(frozen=True)
class Form:
    """What the code depends on."""

    outer: int  # the number of axes but for rows and columns
    divides_rows: bool  # among tasks; otherwise the first outer axis
    interleaved: int  # columns that are interleaved, 0: blocks are transposed


def step(input: Strided, output: Strided, target: Target, threads: int) -> Step:
    """Compile a copy between arrays whose axes are supported."""
    *others, columns = joined_axes({"input": input, OUTPUT: output})
    rows = _rows(others)
    assert rows is not None, "the axes are supported"
    outer = [axis for axis in others if axis is not rows]
    tasks = tasks_wanted(input.bytes + output.bytes, threads)
    first = max(outer, key=lambda axis: axis.size, default=rows)
    divides_rows = first is rows or first.size < tasks <= rows.size
    if divides_rows:
        per_task = round_up(ceil(rows.size / tasks), target.lanes(input.dtype))
        divided = rows
    else:
        per_task, divided = max(1, ceil(first.size / tasks)), first
        outer.sort(key=lambda axis: axis is not first)
    parameters = TransposeParameters(
        rows=rows.size,
        columns=columns.size,
        input_stride=columns.strides["input"],
        output_stride=rows.strides[OUTPUT],
        per_task=per_task,
    )
    table = [number for axis in outer for number in (axis.size, *axis.strides.values())]
    interleaved = columns.size if _are_interleaved(rows, columns) else 0
    return Step(
        _compile(Form(len(outer), divides_rows, interleaved), input.dtype, target),
        pack(parameters, tuple(table)),
        ceil(divided.size / per_task),
    )


@cache
def _compile(form: Form, dtype: str, target: Target) -> Compiled:
    module = Module("transpose", dtype, target)
    in_parallel(module, _emit_task(module, form))
    return compiled(module, "transpose")


def _emit_task(module: Module, form: Form) -> Function:
    """Emit the task function: a part of the rows, or of the first outer axis."""
    interleaved = form.interleaved
    plane = _emit_interleave(module, interleaved) if interleaved else _emit_transpose(module)

    @function(module)
    def task(
        code: Code,
        parameters: TransposeParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        with code.at_entry():
            table = table_after(p)
            axes = [[table[3 * axis + word] for word in range(3)] for axis in range(form.outer)]
        start = number * p.per_task
        input, output, rows = arrays.input, arrays.output, p.rows
        if form.divides_rows:
            input, output = input + start, output + start * p.output_stride
            rows = (rows - start).minimum(p.per_task)
        with ExitStack() as loops:
            for axis, (size, input_stride, output_stride) in enumerate(axes):
                bounds: tuple[Value | int, Value] = (0, size)
                if axis == 0 and not form.divides_rows:
                    bounds = start, (start + p.per_task).minimum(size)
                index = loops.enter_context(code.loop(*bounds))
                input, output = input + index * input_stride, output + index * output_stride
            plane.call(
                input=input,
                output=output,
                rows=rows,
                columns=p.columns,
                input_stride=p.input_stride,
                output_stride=p.output_stride,
            )

    return task


def _emit_transpose(module: Module) -> Function:
    """Emit the function that transposes blocks of as many rows and columns as a vector has lanes.

    The last block of rows, or of columns, ends where they end, and copies some elements again.
    """
    whole, partial = _emit_whole_block(module), _emit_partial_block(module)

    @function(module)
    def plane(
        code: Code,
        input: Pointer,
        output: Pointer,
        rows: Value,
        columns: Value,
        input_stride: Value,
        output_stride: Value,
    ) -> None:
        lanes = code.lanes
        strides = {"input_stride": input_stride, "output_stride": output_stride}

        def at(row: Value, column: Value) -> dict[str, Any]:
            return {
                "input": input + (column * input_stride + row),
                "output": output + (row * output_stride + column),
            }

        @contextmanager
        def blocks() -> Iterator[tuple[Value, Value]]:
            with code.loop(0, rows, lanes) as row, code.loop(0, columns, lanes) as column:
                yield row, column

        with code.if_(rows.minimum(columns) >= lanes), blocks() as (row, column):
            last_row, last_column = rows - lanes, columns - lanes
            whole.call(**at(row.minimum(last_row), column.minimum(last_column)), **strides)
        with code.else_(), blocks() as (row, column):
            partial.call(
                **at(row, column),
                **strides,
                rows=(rows - row).minimum(lanes),
                columns=(columns - column).minimum(lanes),
            )

    return plane


def _emit_whole_block(module: Module) -> Function:
    @function(module)
    def whole_block(
        code: Code, input: Pointer, output: Pointer, input_stride: Value, output_stride: Value
    ) -> None:
        block = [input.vector(input_stride * column) for column in range(code.lanes)]
        for row, elements in enumerate(code.transpose(block)):
            output[output_stride * row] = elements

    return whole_block


def _emit_partial_block(module: Module) -> Function:
    """Emit the function for a block with fewer rows or fewer columns."""

    @function(module)
    def partial_block(
        code: Code,
        input: Pointer,
        output: Pointer,
        input_stride: Value,
        output_stride: Value,
        rows: Value,
        columns: Value,
    ) -> None:
        in_rows, in_columns = code.first_lanes(rows), code.first_lanes(columns)
        block = [
            input.masked(in_rows, (columns - 1).minimum(column) * input_stride)
            for column in range(code.lanes)
        ]
        for row, elements in enumerate(code.transpose(block)):
            with code.if_(rows > row):
                output.store_masked(in_columns, elements, output_stride * row)

    return partial_block


def _emit_interleave(module: Module, count: int) -> Function:
    """Emit the function for a number of columns without gaps between them and between rows."""

    @function(module)
    def plane(
        code: Code,
        input: Pointer,
        output: Pointer,
        rows: Value,
        columns: Value,
        input_stride: Value,
        output_stride: Value,
    ) -> None:
        for vectors in vectors_of(code, 0, rows):
            (row,) = vectors.starts
            loaded = [vectors.load(input + input_stride * column)[0] for column in range(count)]
            for place, elements in enumerate(_interleaved(code, loaded)):
                first = row * count + place * code.lanes
                if vectors.mask is None:
                    output[first] = elements
                    continue
                output.store_masked(code.first_lanes(rows * count - first), elements, first)

    return plane


def _interleaved(code: Code, vectors: Sequence[Value]) -> list[Value]:
    """Return the first lane of each vector, then the second of each, and so on, in vectors."""
    count, lanes = len(vectors), code.lanes
    results = []
    for place in range(count):
        elements = range(place * lanes, (place + 1) * lanes)
        result = vectors[0]
        for source in range(count):
            # Lanes of this source are taken from it, by their row; the others stay.
            taken = [
                lanes + element // count if element % count == source else lane
                for lane, element in enumerate(elements)
            ]
            result = code.shuffle(result, vectors[source], taken)
        results.append(result)
    return results
