"""The copy of elements that are adjacent in memory, also to a lower address that overlaps them."""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function


def emit_contiguous_copy(module: Module) -> Function:
    """Emit the function that copies `length` elements."""

    @function(module)
    def contiguous_copy(code: Code, dst: Pointer, src: Pointer, length: Value) -> None:
        vector_stop = length - length % code.lanes
        with code.loop(0, vector_stop, code.lanes) as e:
            dst[e] = src.vector(e)
        with code.loop(vector_stop, length) as e:
            dst[e] = src[e]

    return contiguous_copy
