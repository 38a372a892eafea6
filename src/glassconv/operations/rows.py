"""Operations on rows of adjacent elements, one row after another: normalizations, softmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled
from glassconv.codegen.struct import N, Struct, pack
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations.loop_nest import OUTPUT, Axis, joined_axes
from glassconv.operations.step import Step, tasks_wanted
from glassconv.operations.strided import Strided, supports_dtypes
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class RowParameters(Struct[N]):
    """The kernel's parameters."""

    length: N
    rows: N
    rows_per_task: N
    input_stride: N  # from one row to the next
    output_stride: N


# What is done with a row: (code, length, input's row, output's row, arrays).
Body = Callable[[Code, Value, Pointer, Pointer, Arrays[Pointer]], None]


def supports_rows(input: Strided, output: Strided) -> Verdict:
    """Return whether both arrays [*rows, length] have adjacent elements, and rows evenly spaced."""
    if input.shape != output.shape or not input.shape:
        return Verdict(False, f"requires an output of shape {input.shape}, got {output.shape}")
    dtypes = supports_dtypes(input, output)
    if not dtypes:
        return dtypes
    if input.shape[-1] != 1 and not input.strides[-1] == output.strides[-1] == 1:
        return Verdict(False, "requires adjacent elements along the last axis")
    if len(_axes_of_rows(input, output)) > 1:
        return Verdict(False, "requires rows that are evenly spaced")
    return Verdict(True, "")


def step_of_rows(kernel: Compiled, input: Strided, output: Strided, threads: int) -> Step:
    """Return the step of a kernel whose task function is `emit_rows`."""
    rows = prod(input.shape[:-1])
    rows_per_task = max(1, ceil(rows / tasks_wanted(input.bytes + output.bytes, threads)))
    strides = next((axis.strides for axis in _axes_of_rows(input, output)), {})
    parameters = RowParameters(
        length=input.shape[-1],
        rows=rows,
        rows_per_task=rows_per_task,
        input_stride=strides.get("input", 0),
        output_stride=strides.get(OUTPUT, 0),
    )
    return Step(kernel, pack(parameters), ceil(rows / rows_per_task))


def _axes_of_rows(input: Strided, output: Strided) -> list[Axis]:
    return joined_axes({"input": input.without_last_axis(), OUTPUT: output.without_last_axis()})


def emit_rows(module: Module, body: Body) -> Function:
    """Emit the task function, which does `body` for some rows."""

    @function(module)
    def task(
        code: Code,
        parameters: RowParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        start = number * p.rows_per_task
        with code.loop(start, (start + p.rows_per_task).minimum(p.rows)) as row:
            input = arrays.input + row * p.input_stride
            output = arrays.output + row * p.output_stride
            body(code, p.length, input, output, arrays)

    return task
