"""The product of a matrix and a vector, c = A · b or c += A · b: lanes are steps of the reduction.

    A  [m, k]  row-major, with leading dimension `a_stride`
    b  [k]     with stride `b_stride`
    c  [m]     with stride `c_stride`

In a register tile lanes are columns of C. A last column that is alone would take a vector, so the
product for 7 × 7 pixels, three panels and one pixel, would take as long as for 7 × 8. Here eight
rows of A are multiplied by b at a time, and the lanes of their sums are added at the end.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function

MAX_ROWS = 8  # accumulators, enough to hide the latency of the FMA


def emit_matrix_vector(module: Module) -> Function:
    """Emit the function that multiplies a matrix by a vector.

    The function's parameter `first` is 1 to initialize c with the bias, [m], and 0 to accumulate
    into c. `scratch` has room for k elements and a vector.
    """

    @function(module)
    def matrix_vector(
        code: Code,
        a: Pointer,
        b: Pointer,
        scratch: Pointer,
        c: Pointer,
        bias: Pointer,
        m: Value,
        k: Value,
        a_stride: Value,
        b_stride: Value,
        c_stride: Value,
        first: Value,
    ) -> None:
        lanes = code.lanes
        rows = min(lanes, MAX_ROWS)
        b_copy, totals = scratch, scratch + k
        with code.loop(0, k) as step:
            b_copy[step] = b[step * b_stride]
        vector_stop = k - k % lanes
        tail_mask = code.first_lanes(k - vector_stop)
        with code.loop(0, m, rows) as row:
            # Rows past the end repeat the last one, and are not stored.
            a_rows = [a + (row + i).minimum(m - 1) * a_stride for i in range(rows)]
            sums = [code.variable(code.zeros()) for _ in a_rows]
            with code.loop(0, vector_stop, lanes) as step:
                right = b_copy.vector(step)
                for a_row, total in zip(a_rows, sums, strict=True):
                    total.set(code.fma(a_row.vector(step), right, total.get()))
            with code.if_(k > vector_stop):
                right = b_copy.masked(tail_mask, vector_stop)
                for a_row, total in zip(a_rows, sums, strict=True):
                    left = a_row.masked(tail_mask, vector_stop)
                    total.set(code.fma(left, right, total.get()))
            totals[0] = code.sums_of_lanes([total.get() for total in sums])
            with code.loop(0, (m - row).minimum(rows)) as i:
                place = c + (row + i) * c_stride
                with code.if_(first.equals(1)):
                    place[0] = totals[i] + bias[row + i]
                with code.else_():
                    place[0] = totals[i] + place[0]

    return matrix_vector
