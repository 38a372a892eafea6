"""The cache of packed weights, each of which is used only while its weight is unchanged.

PyTorch's version counters miss writes through `.data`, NumPy views and shared memory. So each
call computes the checksum of the whole weight, at memory bandwidth, and compares it with the one at
packing time. The packed copy is freed when the weight is garbage-collected.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from glassconv.kernels.runtime.checksum import checksum

Pack = Callable[[Tensor], Tensor | None]


@dataclass(frozen=True)
class _CacheEntry:
    weight: weakref.ref[Tensor]
    geometry: tuple[tuple[int, ...], tuple[int, ...]]  # its shape and strides
    checksum: bytes
    packed: Tensor | None


_cache: dict[tuple[int, Pack], _CacheEntry] = {}


def packed_once(weight: Tensor, pack: Pack) -> Tensor | None:
    """Return pack(weight), from the cache while the weight is unchanged; None if it refuses it."""
    key = (id(weight), pack)
    cached = _cache.get(key)
    geometry, content = (weight.shape, weight.stride()), checksum(weight)
    if (
        cached is not None
        and cached.weight() is weight
        and (cached.geometry, cached.checksum) == (geometry, content)
    ):
        return cached.packed
    packed = pack(weight.detach())
    if checksum(weight) != content:  # concurrently modified: not cached
        return packed
    weight_ref = weakref.ref(weight, lambda _: _cache.pop(key, None))
    _cache[key] = _CacheEntry(weight_ref, geometry, content, packed)
    return packed


def packed_bytes() -> int:
    """Return the total size of the cached packed weights in bytes."""
    packed = [entry.packed for entry in list(_cache.values())]
    return sum(each.nbytes for each in packed if each is not None)
