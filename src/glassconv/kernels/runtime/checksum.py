"""A checksum of a weight tensor, at least 128 bytes long, computed at memory bandwidth.

Eight accumulator vectors of 32-bit lanes take turns: vector i processes vectors i, i + 8, i + 16, …
of a task's elements. Each lane updates its state h for each word with

    h ← (h ⊕ word) · p,   h ← h ⊕ (h >> 15)      p odd

which is a bijection in h for a fixed word and in the word for a fixed h. So a single changed
element always changes the checksum. Several changes in the same lane cancel with a probability of
about 2⁻³². The shift is needed because multiplication propagates bits upwards only: without it,
flips of two sign bits would always cancel.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from glassconv.codegen.ir import INT32, Code, Module, Pointer, Value, Variable, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, words_of
from glassconv.codegen.target import Target, host

NUM_ACCUMULATORS = 8  # enough independent chains to hide the latency of the multiplication
ELEMENTS_PER_TASK = 2**15
MULTIPLIER, SEED, SHIFT = 0x9E3779B1 - 2**32, 0x7F4A7C15, 15


@dataclass(frozen=True)
class ChecksumParameters(Struct[N]):
    """The kernel's parameters."""

    elements: N  # of 32 bits


@dataclass(frozen=True)
class ChecksumArrays(Struct[N]):
    """The kernel's arrays."""

    source: N
    states: N  # [task, accumulator, lane]


def checksum(weight: Tensor) -> bytes:
    """Return the checksum of a tensor's elements in memory order.

    Raises `RuntimeError` on a processor without compiled kernels.
    """
    contiguous = weight if weight.is_contiguous() else _in_memory_order(weight)
    target = host()
    if target is None:
        raise RuntimeError("compiled kernels are not supported on this processor")
    elements = contiguous.nbytes // 4
    tasks = -(-elements // ELEMENTS_PER_TASK)
    states = ctypes.create_string_buffer(tasks * NUM_ACCUMULATORS * target.vector_bytes)
    # The words of the two structs; `pack` would take longer than the checksum of a small weight.
    parameters, arrays = (
        words_of(elements),
        words_of(contiguous.data_ptr(), ctypes.addressof(states)),
    )
    _kernel(target).call(parameters, arrays, tasks, min(threads(), tasks))
    return states.raw


def _in_memory_order(weight: Tensor) -> Tensor:
    """Return the elements as a contiguous tensor in memory order, copied only if there are gaps."""
    order = sorted(range(weight.dim()), key=weight.stride, reverse=True)
    return weight.detach().permute(order).contiguous()


@cache
def _kernel(target: Target) -> Compiled:
    module = Module("checksum", "float32", target)

    @function(module)
    def checksum_task(
        code: Code,
        parameters: ChecksumParameters[Value],
        arrays: ChecksumArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        source, states_ptr = arrays.source.cast(INT32), arrays.states.cast(INT32)
        lanes, step = code.lanes, NUM_ACCUMULATORS * code.lanes
        start = number * ELEMENTS_PER_TASK
        stop = (start + ELEMENTS_PER_TASK).minimum(parameters.elements)
        vector_stop = stop - (stop - start) % step
        multiplier, shift = (
            code.broadcast(code.value(bits, INT32)) for bits in (MULTIPLIER, SHIFT)
        )
        states = [
            code.variable(code.broadcast(code.value(SEED + index, INT32)))
            for index in range(NUM_ACCUMULATORS)
        ]
        with code.loop(start, vector_stop, step) as element:
            for index, state in enumerate(states):
                _mix(state, source.vector(element + index * lanes), multiplier, shift)
        with code.loop(vector_stop, stop) as element:
            for state in states:  # the remaining elements are broadcast to all lanes
                _mix(state, code.broadcast(source[element]), multiplier, shift)
        for index, state in enumerate(states):
            states_ptr[number * step + index * lanes] = state.get()

    in_parallel(module, checksum_task)
    return compiled(module, "checksum")


def _mix(state: Variable, word: Value, multiplier: Value, shift: Value) -> None:
    product = (state.get() ^ word) * multiplier
    state.set(product ^ (product >> shift))
