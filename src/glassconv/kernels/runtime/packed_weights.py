"""Packed weights: laid out for a kernel once, and used only while the weight is what it was.

PyTorch's version counters miss writes through `.data`, NumPy views and shared memory. So the whole
weight is read at each call, at the speed of memory, and its checksum compared with the one taken
when it was packed. A packed weight is released with its weight.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from glassconv.kernels.runtime.checksum import checksum

Pack = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Packed:
    weight: weakref.ref[Tensor]
    lies: tuple[tuple[int, ...], tuple[int, ...]]  # its shape and strides
    checksum: bytes
    array: Tensor


_held: dict[tuple[int, Pack], _Packed] = {}


def packed_once(weight: Tensor, pack: Pack) -> Tensor:
    """Return pack(weight), from an earlier call where the weight's content is the same."""
    key = (id(weight), pack)
    held = _held.get(key)
    lies, content = (weight.shape, weight.stride()), checksum(weight)
    if (
        held is not None
        and held.weight() is weight
        and (held.lies, held.checksum) == (lies, content)
    ):
        return held.array
    array = pack(weight.detach())
    if checksum(weight) != content:  # somebody is writing to it now
        return array
    released = weakref.ref(weight, lambda _: _held.pop(key, None))
    _held[key] = _Packed(released, lies, content, array)
    return array


def held_bytes() -> int:
    """Return how much memory packed weights take."""
    return sum(each.array.nbytes for each in list(_held.values()))
