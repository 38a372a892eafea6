"""Fused epilogues: residual and activation, applied while the output is in registers or cache.

    output = activation(sum + bias + residual)

The residual has the strides of the output, so the byte offset from an output to its residual is
constant. Kernels whose tiles overlap apply the epilogue in registers. The matrix product does where
the epilogue takes few registers, and otherwise applies it to outputs that it has just stored.
"""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.target import Target
from glassconv.kernels.microkernel.activations import ACTIVATIONS
from glassconv.problem.activations import Epilogue


def apply_epilogue(
    code: Code,
    epilogue: Epilogue,
    total: Value,
    address: Pointer,
    residual_offset: Value,
    mask: Value | None = None,
) -> Value:
    """Return the vector to store: the sums plus the residual, after the activation.

    residual_offset: bytes from an output to its residual. mask: the valid lanes, None if all are.
    """
    if epilogue.residual:
        residual = address.add_bytes(residual_offset)
        total = total + residual.masked(mask)
    if epilogue.activation is None:
        return total
    return ACTIVATIONS[epilogue.activation](code, total)


SHORT = frozenset((None, "relu", "relu6"))


def fits_in_registers(epilogue: Epilogue, target: Target) -> bool:
    """Return whether an epilogue needs no more registers than a register tile's sums leave.

    x86 reads constants from memory as operands; elsewhere they take registers.
    """
    return epilogue.activation in SHORT and target.is_x86


def emit_epilogue(module: Module, epilogue: Epilogue) -> Function | None:
    """Emit the function that applies an epilogue to stored sums, or return None if it is empty.

    The function processes `runs` runs of `length` sums; run r begins at sums + r · stride.
    """
    if not epilogue:
        return None

    @function(module)
    def apply_to_runs(
        code: Code,
        sums: Pointer,
        runs: Value,
        stride: Value,
        length: Value,
        residual_offset: Value,
    ) -> None:
        vector_stop = length - length % code.lanes
        with code.loop(0, runs) as run:
            run_ptr = sums + run * stride
            with code.loop(0, vector_stop, code.lanes) as e:
                address = run_ptr + e
                # Adding 0 hides from LLVM that max(x, 0) replaces x. It would store zeros under a
                # mask, where x < 0, which takes a dozen cycles on AVX2.
                total = address.vector() + code.zeros()
                address[0] = apply_epilogue(code, epilogue, total, address, residual_offset)
            with code.if_(length > vector_stop):
                address, mask = run_ptr + vector_stop, code.first_lanes(length - vector_stop)
                total = address.masked(mask)
                total = apply_epilogue(code, epilogue, total, address, residual_offset, mask)
                address.store_masked(mask, total)

    return apply_to_runs
