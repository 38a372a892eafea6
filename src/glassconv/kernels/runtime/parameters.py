"""Parameters: what a kernel is called with, by name on both sides: Python's and the kernel's.

Each kernel declares a struct of its whole numbers (see codegen/struct.py). All of them share the
struct of the addresses of their arrays, which is here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from struct import Struct as Format

from glassconv.codegen.struct import N, Struct
from glassconv.codegen.values import Pointer, Value


@dataclass(frozen=True)
class Arrays(Struct[N]):
    """The addresses of a call's arrays; `residual` is the output's where there is none."""

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
    """Return the words of `Arrays`, in their order: in a tenth of the time that `pack` takes."""
    return _pack(input, weight, bias, output, workspace, residual)


def residual_distance(arrays: Arrays[Pointer]) -> Value:
    """Return how many bytes it is from an output to its residual, 0 where there is none."""
    return arrays.output.bytes_to(arrays.residual)
