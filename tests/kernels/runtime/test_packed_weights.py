"""Packed weights are packed once, never stale whatever path changed them, and not kept for ever."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from glassconv.kernels.runtime import packed_weights
from glassconv.kernels.runtime.packed_weights import packed_bytes, packed_once


class Counted:
    """A packing that counts how often it is done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, weight: Tensor) -> Tensor:
        self.times += 1
        return weight.movedim(1, -1).contiguous().clone()


@pytest.fixture
def pack() -> Counted:
    return Counted()


@pytest.fixture(autouse=True)
def nothing_packed() -> Iterator[None]:
    packed_weights._cache.clear()
    yield
    packed_weights._cache.clear()


def filters(*shape: int) -> Tensor:
    return torch.randn(shape or (4, 3, 3, 3), generator=torch.Generator().manual_seed(0))


def same(packed: Tensor, weight: Tensor) -> bool:
    return torch.equal(packed, weight.detach().movedim(1, -1))


def test_a_weight_is_packed_once(pack: Counted) -> None:
    weight = filters()
    first, second = packed_once(weight, pack), packed_once(weight, pack)
    assert first is second
    assert pack.times == 1
    assert same(first, weight)


def test_each_packing_of_a_weight_is_kept(pack: Counted) -> None:
    weight, other = filters(), Counted()
    for _ in range(3):
        packed_once(weight, pack)
        packed_once(weight, other)
    assert (pack.times, other.times) == (1, 1)
    assert packed_bytes() == 2 * weight.nbytes


def _version(weight: Tensor) -> None:
    with torch.no_grad():
        weight[0, 0, 0, 0] += 1


def _in_place(weight: Tensor) -> None:
    with torch.no_grad():
        weight.add_(torch.ones(()))


def _sign(weight: Tensor) -> None:
    weight.data.neg_()


def _data(weight: Tensor) -> None:
    weight.data[3, 2, 1, 0] = 7


def _numpy(weight: Tensor) -> None:
    weight.detach().numpy()[1, 1, 1, 1] = -5


def _dlpack(weight: Tensor) -> None:
    torch.utils.dlpack.from_dlpack(weight.detach())[2, 0, 2, 2] = 9


def _view(weight: Tensor) -> None:
    weight.detach().view(-1)[-1] = 3


def _storage(weight: Tensor) -> None:
    weight.untyped_storage()[0] = (weight.untyped_storage()[0] + 1) % 256


def _pointer(weight: Tensor) -> None:
    import ctypes

    ctypes.c_float.from_address(weight.data_ptr() + 4 * 17).value = 2.5


def _swap(weight: Tensor) -> None:
    flat = weight.data.view(-1)
    flat[:2] = flat[:2].flip(0).clone()


def _replaced(weight: Tensor) -> None:
    weight.data = weight.data.clone() + 1


def _transposed(weight: Tensor) -> None:
    weight.data = weight.data.transpose(2, 3)  # the same memory, read in another order


def _reshaped(weight: Tensor) -> None:
    weight.data = weight.data.reshape(2, 6, 3, 3)  # the same memory, of another shape


DOORS = [
    *(_version, _in_place, _sign, _data, _numpy, _dlpack, _view, _storage, _pointer, _swap),
    *(_replaced, _transposed, _reshaped),
]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.strip("_"))
@pytest.mark.parametrize("parameter", [False, True], ids=["tensor", "parameter"])
def test_a_change_by_any_door_is_seen(
    pack: Counted, door: Callable[[Tensor], None], parameter: bool
) -> None:
    weight = torch.nn.Parameter(filters()) if parameter else filters()
    before = packed_once(weight, pack).clone()
    door(weight)
    after = packed_once(weight, pack)
    assert same(after, weight)
    assert not torch.equal(after, before)
    assert packed_once(weight, pack) is after
    assert pack.times == 2


def test_a_change_in_shared_memory_is_seen(pack: Counted) -> None:
    weight = filters().share_memory_()  # type: ignore[no-untyped-call]
    packed_once(weight, pack)
    handle = weight.untyped_storage()._share_filename_cpu_()
    other = torch.UntypedStorage._new_shared_filename_cpu(*handle)  # as another process maps it
    mapped = torch.empty(0).set_(other).view(weight.shape)
    mapped[3, 0, 0, 0] += 1
    assert mapped.data_ptr() != weight.data_ptr()
    assert same(packed_once(weight, pack), weight)


def test_a_change_of_the_array_it_was_made_from_is_seen(pack: Counted) -> None:
    array = np.ones((4, 3, 3, 3), np.float32)
    weight = torch.from_numpy(array)
    packed_once(weight, pack)
    array[0, 0, 0, 0] = 2
    assert same(packed_once(weight, pack), weight)


def test_a_weight_that_lies_otherwise_is_packed_too(pack: Counted) -> None:
    weight = filters().to(memory_format=torch.channels_last)
    assert same(packed_once(weight, pack), weight)
    weight.data[1, 2, 0, 1] = 8
    assert same(packed_once(weight, pack), weight)


def test_what_is_packed_is_outside_any_gradient(pack: Counted) -> None:
    assert not packed_once(torch.nn.Parameter(filters()), pack).requires_grad


def test_a_packed_weight_is_released_with_its_weight(pack: Counted) -> None:
    held = [filters(8, 4, 3, 3) for _ in range(20)]
    for weight in held:
        packed_once(weight, pack)
    assert packed_bytes() == sum(weight.nbytes for weight in held)
    del weight, held
    gc.collect()
    assert packed_bytes() == 0
    assert not packed_weights._cache


def test_a_changed_weight_releases_what_was_packed_of_it(pack: Counted) -> None:
    weight = filters()
    for _ in range(5):
        packed_once(weight, pack)
        weight.data.add_(1)
    assert packed_bytes() == weight.nbytes
    del weight
    gc.collect()
    assert packed_bytes() == 0


def test_a_new_weight_in_the_place_of_an_old_one_is_packed(pack: Counted) -> None:
    seen = set()
    for number in range(200):
        weight = torch.full((2, 2, 3, 3), float(number % 2))
        seen.add(id(weight))
        assert same(packed_once(weight, pack), weight)
        del weight
    assert len(seen) < 200  # some had the identity of an earlier one


def test_an_entry_of_another_weight_with_this_identity_is_not_used(pack: Counted) -> None:
    first, second = filters(), filters()
    packed_once(first, pack)
    packed_weights._cache[id(second), pack] = packed_weights._cache[id(first), pack]
    packed_once(second, pack)
    assert pack.times == 2


def test_a_weight_written_to_while_it_is_packed_is_not_kept() -> None:
    weight = filters()

    def slow(given: Tensor) -> Tensor:
        packed = given.clone()
        weight.data[0, 0, 0, 0] += 1  # another thread's doing
        return packed

    packed_once(weight, slow)
    assert packed_bytes() == 0


def test_eight_threads_pack_and_change_weights_at_once() -> None:
    pack, shared = Counted(), filters()

    def work(number: int) -> bool:
        fine = True
        for turn in range(60):
            own = torch.full((3, 2, 3, 3), float(number * 1000 + turn))
            fine &= same(packed_once(own, pack), own)
            own.data[0, 0, 0, 0] = -1
            fine &= same(packed_once(own, pack), own)
            fine &= same(packed_once(shared, pack), shared)
        return fine

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    gc.collect()
    assert packed_bytes() == shared.nbytes
