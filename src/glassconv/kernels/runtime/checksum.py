"""The checksum of a weight's content, computed at memory bandwidth: a universal hash.

The content is read as words of 64 bits, in blocks. The key k is random and drawn once per process.
Each block has two sums over its words mᵢ, and the checksum is the sums of all blocks in order:

    sum_t = Σᵢ low(mᵢ + k_{i+ts}) · high(mᵢ + k_{i+ts})   mod 2⁶⁴,   t = 0, 1

low, high: the halves of a word, whole numbers of 32 bits; s: the number of words in a vector.

Two different contents of the same size have the same checksum with a probability of at most 2⁻⁶²,
whatever they are, if they were chosen without knowledge of the key. Proof: let two blocks differ in
mᵢ and m′ᵢ, and in no later word. For any values of the earlier words of the key, few of the 2⁶⁴
values of k_{i+ts} make sum_t equal for both. If the low halves of mᵢ and m′ᵢ are equal, there is at
most one for each high half of mᵢ + k. If they differ, there are at most two for each low half: the
high half of m′ᵢ + k wraps around in one of them. That is at most 2³³ values, a probability of 2⁻³¹.
The word k_{i+s}, on which the second sum depends, is not used in the first sum for any word that
differs, so the two probabilities multiply.

Source: J. Black, S. Halevi, H. Krawczyk, T. Krovetz and P. Rogaway, UMAC: Fast and secure message
authentication, 1999 (the function NH and its Toeplitz extension). It adds the halves separately,
without a carry.
"""

from __future__ import annotations

import ctypes
import os
import threading
from dataclasses import dataclass
from functools import cache
from struct import Struct as Format

from torch import Tensor

from glassconv.codegen.ir import INT, Code, Module, Pointer, Value, Variable, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp import threads
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import Target, host
from glassconv.problem.operands import in_memory_order

WORD = 8  # bytes
WORDS_PER_BLOCK = 2**11  # the key of 16 KiB stays in L2, next to the core
PREFETCH = 512  # words ahead; without it, weights outside L2 take a fifth more time
WORDS_PER_LINE = 8  # of the cache
SUMS = 2  # per block
MAX_COPIED_BYTES = 2**12  # so few are copied in less time than it takes to call the kernel
MIN_BYTES_PER_THREAD = 2**17  # less is summed before another thread has come
NUM_ACCUMULATORS = 4  # independent chains of additions

_pack = Format("3q").pack


@dataclass(frozen=True)
class ChecksumParameters(Struct[N]):
    """The kernel's parameters."""

    words: N


@dataclass(frozen=True)
class ChecksumArrays(Struct[N]):
    """The kernel's arrays, of words."""

    source: N
    key: N
    sums: N  # [block, SUMS]


def checksum(weight: Tensor) -> bytes:
    """Return the checksum of a tensor's elements in memory order; of a few, the elements.

    Raises `RuntimeError` on a processor without compiled kernels.
    """
    # A copy, only if there are gaps between the elements.
    contiguous = weight if weight.is_contiguous() else in_memory_order(weight.detach()).contiguous()
    address, size = contiguous.data_ptr(), contiguous.nbytes
    if size <= MAX_COPIED_BYTES:
        return ctypes.string_at(address, size)
    words = size // WORD
    blocks = -(-words // WORDS_PER_BLOCK)
    kernel, key = _kernel()
    sums = _sums(blocks)
    num_threads = 1 if size <= MIN_BYTES_PER_THREAD else min(threads(), blocks)
    kernel.call(words.to_bytes(WORD, "little"), _pack(address, key, sums), blocks, num_threads)
    rest = size % WORD  # bytes that fill no word are part of the checksum as they are
    content = ctypes.string_at(sums, blocks * SUMS * WORD)
    return content + ctypes.string_at(address + size - rest, rest) if rest else content


_local = threading.local()


def _sums(blocks: int) -> int:
    """Return the address of this thread's array [blocks, SUMS]."""
    if getattr(_local, "blocks", -1) < blocks:
        _local.blocks = 2 * blocks
        _local.array = ctypes.create_string_buffer(2 * blocks * SUMS * WORD)
        _local.address = ctypes.addressof(_local.array)
    address: int = _local.address
    return address


@cache
def _kernel() -> tuple[Compiled, int]:
    """Return the compiled kernel and the address of the key."""
    target = host()
    if target is None:
        raise RuntimeError("compiled kernels are not supported on this processor")
    return _compile(target), ctypes.addressof(_key(target))


@cache
def _key(target: Target) -> ctypes.Array[ctypes.c_char]:
    """Return the key: random words, one vector more than a block has for each further sum."""
    size = WORDS_PER_BLOCK * WORD + (SUMS - 1) * target.vector_bytes
    return ctypes.create_string_buffer(os.urandom(size), size)


def _compile(target: Target) -> Compiled:
    module = Module("checksum", "float64", target)  # elements as wide as a word

    @function(module)
    def checksum_block(
        code: Code,
        parameters: ChecksumParameters[Value],
        arrays: ChecksumArrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        first = number * WORDS_PER_BLOCK
        following = parameters.words - first  # in this block and those after it
        words = following.minimum(WORDS_PER_BLOCK)
        source, key = arrays.source.cast(INT) + first, arrays.key.cast(INT)
        step = NUM_ACCUMULATORS * code.lanes
        vector_stop = words - words % step
        zero = code.broadcast(code.value(0))
        accumulators = [[code.variable(zero) for _ in range(NUM_ACCUMULATORS)] for _ in range(SUMS)]
        rest = [code.variable(0) for _ in range(SUMS)]
        with code.loop(0, vector_stop, step) as word:
            for index in range(NUM_ACCUMULATORS):
                place = word + index * code.lanes
                if index * code.lanes % WORDS_PER_LINE == 0:
                    source.prefetch((place + PREFETCH).minimum(following - 1))
                content = source.vector(place)
                for shift, sums in enumerate(accumulators):
                    _add_product(sums[index], content + key.vector(place + shift * code.lanes))
        with code.loop(vector_stop, words) as word:
            for shift, sum_of_rest in enumerate(rest):
                _add_product(sum_of_rest, source[word] + key[word + shift * code.lanes])
        reduce = f"llvm.vector.reduce.add.v{code.lanes}i64"
        for shift, (sums, sum_of_rest) in enumerate(zip(accumulators, rest, strict=True)):
            vector = sums[0].get()
            for other in sums[1:]:
                vector = vector + other.get()
            total = code.call_external(reduce, INT, [vector]) + sum_of_rest.get()
            arrays.sums.cast(INT)[number * SUMS + shift] = total

    in_parallel(module, checksum_block)
    return compiled(module, "checksum")


def _add_product(total: Variable, words: Value) -> None:
    """Add the product of the halves of each word, which are whole numbers of 32 bits."""
    low = words & words.code.value(2**32 - 1, words.type)
    high = words >> words.code.value(32, words.type)
    total.set(total.get() + low * high)
