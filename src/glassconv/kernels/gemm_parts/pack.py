"""Packing within a task: the filters of a 1 × 1 kernel, side by side in panels.

    packed[panel, k, filter of the panel] = weight[filter, k]

A weight without taps is a matrix, and is transposed at the speed of memory. Whether a packed copy
from an earlier call may still be used takes as long to find out: the whole weight would be read.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function


def emit_pack(module: Module, width: int) -> Function:
    """Emit the function that packs some filters of `k` elements into panels of `width` filters.

    stride: from one filter to the next. panel: from one panel to the next, at least k · width.
    Filters that the last panel lacks are undefined: their columns of the product are not stored.
    """

    @function(module)
    def pack(
        code: Code,
        weight: Pointer,
        packed: Pointer,
        filters: Value,
        k: Value,
        stride: Value,
        panel: Value,
    ) -> None:
        lanes = code.lanes
        whole = k - k % lanes
        with code.loop(0, filters, lanes) as first:
            # Filters past the end repeat the last one.
            rows = [weight + (first + i).minimum(filters - 1) * stride for i in range(lanes)]
            to = packed + (first // width * panel + first % width)
            with code.loop(0, whole, lanes) as step:
                columns = code.transpose([row.vector(step) for row in rows])
                for i, column in enumerate(columns):
                    to[(step + i) * width] = column
            with code.loop(whole, k) as step:
                to[step * width] = code.join([row[step] for row in rows])

    return pack
