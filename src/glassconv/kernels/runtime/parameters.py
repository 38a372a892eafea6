"""The arguments of a kernel, by the same names in Python and in generated code.

Each kernel declares a struct of its integer parameters (see codegen/struct.py). All kernels share
the struct of the addresses of their arrays, which is defined here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from struct import Struct as Format

from glassconv.codegen.struct import N, Struct
from glassconv.codegen.values import Pointer, Value


@dataclass(frozen=True)
class Arrays(Struct[N]):
    """The addresses of a call's arrays. Without a residual, `residual` is the output's address."""

    input: N
    weight: N
    bias: N
    output: N
    workspace: N
    residual: N


_pack = Format(f"{len(fields(Arrays))}q").pack


def pack_arrays(
    *, input: int, weight: int, bias: int, output: int, workspace: int, residual: int
) -> bytes:
    """Return the words of `Arrays` in order, in a tenth of the time of `pack`."""
    return _pack(input, weight, bias, output, workspace, residual)


def residual_offset(arrays: Arrays[Pointer]) -> Value:
    """Return the bytes from an output to its residual; 0 without a residual."""
    return arrays.output.bytes_to(arrays.residual)
