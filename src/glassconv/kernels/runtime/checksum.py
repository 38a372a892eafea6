"""checksum: what a weight holds, in 128 bytes or more, read at the speed of memory.

Each of eight vectors of 32-bit lanes goes down its own part of the array by

    h ← (h ⊕ word) · p,   h ← h ⊕ (h >> 15)      p odd

which is a bijection of h for a given word and of the word for a given h: a single changed element
always changes the sum. Several changes in the same lane cancel once in 2³². The shift matters: a
product carries upwards only, so without it two changed signs, the topmost bits, always cancel.
"""

from __future__ import annotations

import ctypes
from functools import cache

from torch import Tensor

from glassconv.codegen.ir import INT, INT32, POINTER, Code, Module, Pointer, Value, Variable
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel, threads
from glassconv.codegen.target import Target, host
from glassconv.kernels.runtime.parameters import words

CHAINS = 8  # a chain waits for its multiplication; eight keep the unit busy
PART = 2**15  # elements that one task reads
FACTOR, START, SHIFT = 0x9E3779B1 - 2**32, 0x7F4A7C15, 15


def checksum(weight: Tensor) -> bytes:
    """Return the checksum of a tensor's elements in the order they lie in."""
    whole = weight if weight.is_contiguous() else _flat(weight)
    target = host()
    if target is None:
        raise RuntimeError("no kernel is compiled on this processor, so no weight is packed")
    kernel = _kernel(target)
    elements = whole.nbytes // 4
    parts = -(-elements // PART)
    sums = ctypes.create_string_buffer(parts * CHAINS * target.vector_bytes)
    arrays = words((whole.data_ptr(), ctypes.addressof(sums)))
    team = min(threads(), parts)
    kernel.call(words((elements,)), arrays, parts, team)
    return sums.raw


def _flat(weight: Tensor) -> Tensor:
    """Return the same numbers in the order they lie in, copied only where they lie apart."""
    order = sorted(range(weight.dim()), key=weight.stride, reverse=True)
    return weight.detach().permute(order).contiguous()


@cache
def _kernel(target: Target) -> Compiled:
    module = Module("checksum", "float32", target)
    task = Code(module, "part", [POINTER] * 2 + [INT] * 2)
    plan, arrays, number, _ = task.arguments()
    elements = Pointer(task, plan.raw, INT)[0]
    source, sums = (
        Pointer(task, task.builder.inttoptr(Pointer(task, arrays.raw, INT)[place].raw, POINTER),
                INT32)
        for place in (0, 1)
    )  # fmt: skip
    lanes = task.lanes
    start = number * PART
    stop = (start + PART).minimum(elements)
    step = CHAINS * lanes
    whole = stop - (stop - start) % step
    factor, shift = (task.spread(task.value(each, INT32)) for each in (FACTOR, SHIFT))
    chains = [
        task.variable(task.spread(task.value(START + chain, INT32))) for chain in range(CHAINS)
    ]
    with task.loop(start, whole, step) as place:
        for chain, total in enumerate(chains):
            _mix(task, total, source.vector(place + chain * lanes), factor, shift)
    with task.loop(whole, stop) as place:
        for total in chains:  # the few elements left over go into every lane
            _mix(task, total, task.spread(source[place]), factor, shift)
    for chain, total in enumerate(chains):
        sums[number * step + chain * lanes] = total.get()
    task.finish()
    in_parallel(module, task, "checksum")
    return compiled(module, "checksum")


def _mix(code: Code, total: Variable, word: Value, factor: Value, shift: Value) -> None:
    build = code.builder
    product = build.mul(build.xor(total.get().raw, word.raw), factor.raw)
    total.set(Value(code, build.xor(product, build.lshr(product, shift.raw))))
