"""The addition of partial sums, part by part, and their transposition into the weight's layout.

weight[filter, row] += Σ_part sums[part, row, filter]

The parts are added one after another to what the weight holds, in the first round to +0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.weight_gradients.gemm_parts.parameters import SumArrays, SumParameters


def sum_tasks_of(filters: int, dtype: str, target: Target) -> int:
    """Return how many tasks so many filters of a group are."""
    return ceil(filters / (target.lanes(dtype) * _vectors_of_a_line(dtype, target)))


def emit_task_sums(module: Module) -> Function:
    """Emit the task function: the gradients of some filters, whose sums fill whole cache lines."""
    vectors = _vectors_of_a_line(module.dtype, module.target)

    @function(module)
    def task(
        code: Code,
        parameters: SumParameters[Value],
        arrays: SumArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        group = number // p.tasks_per_group
        start = number % p.tasks_per_group * (lanes * vectors)
        is_later = p.is_first.equals(0)

        def add_parts(
            rows: list[Pointer], exist: Value | None, held: Callable[[], list[Value]]
        ) -> list[Value]:
            """Return the sums of the parts of some rows, of the lanes that exist: None for all."""
            totals = [code.variable(code.zeros()) for _ in rows]
            with code.if_(is_later):
                for value, total in zip(held(), totals, strict=True):
                    total.set(value)
            with code.loop(0, p.parts) as part:
                for row, total in zip(rows, totals, strict=True):
                    total.set(total.get() + row.masked(exist, part * p.part_stride))
            return [total.get() for total in totals]

        def add_whole_block(sums: Pointer, weight: Pointer) -> None:
            rows = [sums + i * p.sums_stride for i in range(lanes)]
            columns = [weight + i * p.rows for i in range(lanes)]

            def held() -> list[Value]:
                return code.transpose([column.vector() for column in columns])

            for column, total in zip(
                columns, code.transpose(add_parts(rows, None, held)), strict=True
            ):
                column[0] = total

        def add_partial_block(
            sums: Pointer, weight: Pointer, row_count: Value, filters: Value
        ) -> None:
            # Rows and filters past the end repeat the last one, and are not stored.
            rows = [sums + (row_count - 1).minimum(i) * p.sums_stride for i in range(lanes)]
            columns = [weight + (filters - 1).minimum(i) * p.rows for i in range(lanes)]
            exist, stored = code.first_lanes(filters), code.first_lanes(row_count)

            def held() -> list[Value]:
                return code.transpose([column.masked(stored) for column in columns])

            for i, total in enumerate(code.transpose(add_parts(rows, exist, held))):
                with code.if_(filters > i):
                    columns[i].store_masked(stored, total)

        stop = (start + lanes * vectors).minimum(p.filters)
        with code.loop(0, p.rows, lanes) as row, code.loop(start, stop, lanes) as filter:
            sums = arrays.sums + (group * p.group_stride + row * p.sums_stride + filter)
            weight = arrays.weight + ((group * p.filters + filter) * p.rows + row)
            row_count, filters = p.rows - row, p.filters - filter
            is_whole = (row_count >= lanes) & (filters >= lanes)
            with code.if_(is_whole):
                add_whole_block(sums, weight)
            with code.else_():
                add_partial_block(sums, weight, row_count.minimum(lanes), filters.minimum(lanes))
        with code.if_(p.with_bias.equals(1)), code.loop(start, stop, lanes) as filter:
            exist = code.first_lanes((p.filters - filter).minimum(lanes))
            ones = arrays.sums + (group * p.group_stride + p.rows * p.sums_stride + filter)
            bias = arrays.bias + (group * p.filters + filter)
            (total,) = add_parts([ones], exist, lambda: [bias.masked(exist)])
            bias.store_masked(exist, total)

    return task


def _vectors_of_a_line(dtype: str, target: Target) -> int:
    return max(1, CACHE_LINE // (target.lanes(dtype) * ELEMENT_BYTES[dtype]))
