"""The addition of partial sums, part by part, and their transposition into the weight's layout.

weight[filter, row] = Σ_part sums[part, row, filter]
"""

from __future__ import annotations

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

        def add_parts(rows: list[Pointer]) -> list[Value]:
            totals = [code.variable(row.masked(exist)) for row in rows]
            with code.loop(1, p.parts) as part:
                for row, total in zip(rows, totals, strict=True):
                    total.set(total.get() + row.masked(exist, part * p.part_stride))
            return [total.get() for total in totals]

        with code.loop(0, p.rows, lanes) as first:
            # Rows past the end repeat the last one, and are not stored.
            rows = [sums + (first + i).minimum(p.rows - 1) * p.sums_stride for i in range(lanes)]
            stored = code.first_lanes((p.rows - first).minimum(lanes))
            for i, column in enumerate(code.transpose(add_parts(rows))):
                with code.if_(filters > i):
                    weight.store_masked(stored, column, first + p.rows * i)
        with code.if_(p.with_bias.equals(1)):
            (total,) = add_parts([sums + p.rows * p.sums_stride])
            (arrays.bias + (group * p.filters + filter)).store_masked(exist, total)

    return task
