"""checksum: what a weight holds, in 128 bytes or more, read at the speed of memory.

Each of eight vectors of 32-bit lanes goes through its own part of the array by

    h ← (h ⊕ word) · p,   h ← h ⊕ (h >> 15)      p odd

which is a bijection of h for a given word and of the word for a given h: a single changed element
always changes the sum. Several changes in the same lane cancel once in 2³². The shift matters: a
product carries upwards only, so without it two changed signs, the topmost bits, always cancel.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from glassconv.codegen.ir import INT32, Code, Module, Pointer, Value, Variable, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, threads
from glassconv.codegen.struct import N, Struct, words_of
from glassconv.codegen.target import Target, host

CHAINS = 8  # a chain waits for its multiplication; eight keep the unit busy
PART = 2**15  # elements that one task reads
FACTOR, START, SHIFT = 0x9E3779B1 - 2**32, 0x7F4A7C15, 15


@dataclass(frozen=True)
class ChecksumParameters(Struct[N]):
    """What a checksum reads."""

    elements: N  # of 32 bits


@dataclass(frozen=True)
class ChecksumArrays(Struct[N]):
    """Where a checksum reads, and where it writes."""

    source: N
    sums: N  # [part, chain, lane]


def checksum(weight: Tensor) -> bytes:
    """Return the checksum of a tensor's elements, in their order in memory.

    Raises `RuntimeError` on a processor that no kernel is compiled for.
    """
    contiguous = weight if weight.is_contiguous() else _in_memory_order(weight)
    target = host()
    if target is None:
        raise RuntimeError("no kernel is compiled on this processor, so no weight is packed")
    elements = contiguous.nbytes // 4
    parts = -(-elements // PART)
    sums = ctypes.create_string_buffer(parts * CHAINS * target.vector_bytes)
    # The words of the two structs; `pack` would take longer than reading a small weight.
    parameters, arrays = words_of(elements), words_of(contiguous.data_ptr(), ctypes.addressof(sums))
    _kernel(target).call(parameters, arrays, parts, min(threads(), parts))
    return sums.raw


def _in_memory_order(weight: Tensor) -> Tensor:
    """Return the same numbers in their order in memory, copied only where there are gaps."""
    order = sorted(range(weight.dim()), key=weight.stride, reverse=True)
    return weight.detach().permute(order).contiguous()


@cache
def _kernel(target: Target) -> Compiled:
    module = Module("checksum", "float32", target)

    @function(module)
    def part(
        code: Code,
        parameters: ChecksumParameters[Value],
        arrays: ChecksumArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        source, sums = arrays.source.cast(INT32), arrays.sums.cast(INT32)
        lanes, step = code.lanes, CHAINS * code.lanes
        start = number * PART
        stop = (start + PART).minimum(parameters.elements)
        whole = stop - (stop - start) % step
        factor, shift = (code.broadcast(code.value(bits, INT32)) for bits in (FACTOR, SHIFT))
        chains = [
            code.variable(code.broadcast(code.value(START + chain, INT32)))
            for chain in range(CHAINS)
        ]
        with code.loop(start, whole, step) as place:
            for chain, total in enumerate(chains):
                _mix(total, source.vector(place + chain * lanes), factor, shift)
        with code.loop(whole, stop) as place:
            for total in chains:  # the few elements that remain go into every lane
                _mix(total, code.broadcast(source[place]), factor, shift)
        for chain, total in enumerate(chains):
            sums[number * step + chain * lanes] = total.get()

    in_parallel(module, part)
    return compiled(module, "checksum")


def _mix(total: Variable, word: Value, factor: Value, shift: Value) -> None:
    product = (total.get() ^ word) * factor
    total.set(product ^ (product >> shift))
