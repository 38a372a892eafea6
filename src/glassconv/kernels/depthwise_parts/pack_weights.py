"""The packing of a unit's weights where the lanes of a vector are filters."""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function


def emit_pack_weights(module: Module) -> Function:
    """Emit the function that packs weights as [tap, filter of the unit], and their bias.

    Filters past the last repeat it; their bias is 0.
    """

    @function(module)
    def pack_weights(
        code: Code,
        weight: Pointer,
        bias: Pointer,
        packed: Pointer,
        taps: Value,
        first_filter: Value,
        filters: Value,
        unit_filters: Value,
        bias_offset: Value,
    ) -> None:
        lanes, last = code.lanes, filters - 1
        with code.loop(0, unit_filters, lanes) as column:
            with code.loop(0, taps, lanes) as tap:
                mask = code.first_lanes(taps - tap)
                rows = []
                for i in range(lanes):
                    filter = (first_filter + column + i).minimum(last)
                    rows.append((weight + (filter * taps + tap)).masked(mask))
                for i, row in enumerate(code.transpose(rows)):
                    packed[(tap + i) * unit_filters + column] = row
            mask = code.first_lanes(filters - first_filter - column)
            packed[bias_offset + column] = (bias + (first_filter + column)).masked(mask)

    return pack_weights
