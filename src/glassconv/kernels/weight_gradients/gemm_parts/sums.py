"""The addition of partial sums, part by part, and their transposition into the weight's layout.

weight[filter, row] += Σ_part sums[part, row, filter]

The parts are added one after another to what the weight holds, in the first round to +0.
"""

from __future__ import annotations

from collections.abc import Callable

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.weight_gradients.gemm_parts.parameters import SumArrays, SumParameters


def emit_task_sums(module: Module) -> Function:
    """Emit the task function: the gradients of a vector of filters."""

    @function(module)
    def task(
        code: Code,
        parameters: SumParameters[Value],
        arrays: SumArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, lanes = parameters, code.lanes
        group, filter = number // p.filter_vectors, number % p.filter_vectors * lanes
        sums = arrays.sums + (group * p.group_stride + filter)
        weight = arrays.weight + (group * p.filters + filter) * p.rows
        filters = (p.filters - filter).minimum(lanes)
        exist = code.first_lanes(filters)

        is_later = p.is_first.equals(0)

        def add_parts(rows: list[Pointer], held: Callable[[], list[Value]]) -> list[Value]:
            totals = [code.variable(code.zeros()) for _ in rows]
            with code.if_(is_later):
                for value, total in zip(held(), totals, strict=True):
                    total.set(value)
            with code.loop(0, p.parts) as part:
                for row, total in zip(rows, totals, strict=True):
                    total.set(total.get() + row.masked(exist, part * p.part_stride))
            return [total.get() for total in totals]

        with code.loop(0, p.rows, lanes) as first:
            # Rows and filters past the end repeat the last one, and are not stored.
            rows = [sums + (first + i).minimum(p.rows - 1) * p.sums_stride for i in range(lanes)]
            columns = [weight + (p.rows * (filters - 1).minimum(i) + first) for i in range(lanes)]
            stored = code.first_lanes((p.rows - first).minimum(lanes))

            def held(columns: list[Pointer] = columns, stored: Value = stored) -> list[Value]:
                return code.transpose([column.masked(stored) for column in columns])

            for i, total in enumerate(code.transpose(add_parts(rows, held))):
                with code.if_(filters > i):
                    columns[i].store_masked(stored, total)
        with code.if_(p.with_bias.equals(1)):
            bias = arrays.bias + (group * p.filters + filter)
            (total,) = add_parts([sums + p.rows * p.sums_stride], lambda: [bias.masked(exist)])
            bias.store_masked(exist, total)

    return task
