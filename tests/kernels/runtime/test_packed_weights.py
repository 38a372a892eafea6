"""A content is packed once, never stale whatever path changed it, and not kept for ever."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from glassconv.kernels.runtime import packed_weights
from glassconv.kernels.runtime.packed_weights import packed_bytes, packed_once


class Counted:
    """A packing that counts how often it is done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor:
        self.times += 1
        return weight.movedim(1, -1).contiguous().clone()


@pytest.fixture
def pack() -> Counted:
    return Counted()


@pytest.fixture(autouse=True)
def nothing_packed() -> Iterator[None]:
    packed_weights.forget()
    yield
    packed_weights.forget()


def filters(*shape: int) -> Tensor:
    return torch.randn(shape or (4, 3, 3, 3), generator=torch.Generator().manual_seed(0))


def same(packed: Tensor | None, weight: Tensor) -> bool:
    assert packed is not None
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
    weight = Parameter(filters()) if parameter else filters()
    before = packed_once(weight, pack)
    assert before is not None
    before = before.clone()
    door(weight)
    after = packed_once(weight, pack)
    assert after is not None
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
    packed = packed_once(Parameter(filters()), pack)
    assert packed is not None
    assert not packed.requires_grad


# -- another tensor of the same content ---------------------------------------------------------

SAME: dict[str, Callable[[Tensor], Tensor]] = {
    "data": lambda weight: weight.data,
    "detached": Tensor.detach,
    "a slice": lambda weight: weight.detach()[:],
    "a view": lambda weight: weight.detach().view(weight.shape),
    "a copy": lambda weight: weight.detach().clone(),
    "a parameter": lambda weight: Parameter(weight.detach()),
    "a deep copy": copy.deepcopy,
    "from NumPy": lambda weight: torch.from_numpy(weight.detach().numpy().copy()),
    "pickled": lambda weight: pickle.loads(pickle.dumps(weight)),
    "part of a larger array": lambda weight: torch.stack([weight.detach()] * 2)[1],
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_another_tensor_of_the_same_content_packs_nothing(
    pack: Counted, make: Callable[[Tensor], Tensor]
) -> None:
    weight = Parameter(filters())
    first = packed_once(weight, pack)
    for _ in range(3):
        assert packed_once(make(weight), pack) is first
    assert pack.times == 1


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_tensors_that_exist_for_one_call_each_are_packed_once(
    pack: Counted, make: Callable[[Tensor], Tensor]
) -> None:
    source = filters()
    kept = [packed_once(make(source).detach(), pack) for _ in range(3)]
    assert kept[0] is kept[1] is kept[2]
    assert pack.times == 1


def test_the_weight_of_a_parametrization_is_packed_once(pack: Counted) -> None:
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(4, 4, 3))
    with torch.no_grad():
        for _ in range(3):
            assert same(packed_once(layer.weight, pack), layer.weight)
        assert pack.times == 1
        layer.parametrizations.weight.original0.mul_(2)
        assert same(packed_once(layer.weight, pack), layer.weight)
    assert pack.times == 2


DIFFERENT: dict[str, Callable[[Tensor], Tensor]] = {
    "its shape": lambda weight: weight.reshape(2, 6, 3, 3),
    "its strides": lambda weight: weight.transpose(2, 3),
    "its element type": lambda weight: weight.view(torch.int32),
    "the sign of a zero": lambda weight: torch.where(weight == 0, -0.0, weight),
    "the last bit of an element": lambda weight: (
        weight.view(torch.int32) ^ _last_bit(weight)
    ).view(torch.float32),
}


def _last_bit(weight: Tensor) -> Tensor:
    bits = torch.zeros(weight.shape, dtype=torch.int32)
    bits[-1, -1, -1, -1] = 1
    return bits


@pytest.mark.parametrize("make", DIFFERENT.values(), ids=DIFFERENT)
def test_another_content_is_packed(pack: Counted, make: Callable[[Tensor], Tensor]) -> None:
    weight = filters()
    weight[0, 0, 0, 0] = 0
    first = packed_once(weight, pack)
    other = make(weight)
    assert same(packed_once(other, pack), other)
    assert packed_once(weight, pack) is first
    assert pack.times == 2


def test_a_packed_weight_shares_no_memory_with_its_weight() -> None:
    """Else a change of the weight would change what another weight of the old content finds."""
    weight, other = filters(), filters()

    def view(given: Tensor, memory: Tensor | None) -> Tensor:
        return given.view(-1)

    packed_once(weight, view)
    weight.zero_()
    found = packed_once(other, view)
    assert found is not None
    assert torch.equal(found, other.view(-1))


def test_a_refusal_is_remembered_with_the_content() -> None:
    asked = []

    def refuse(weight: Tensor, memory: Tensor | None) -> None:
        asked.append(weight)

    weight = filters()
    for _ in range(3):
        assert packed_once(weight, refuse) is None
        assert packed_once(weight.clone(), refuse) is None
    assert len(asked) == 1
    weight.add_(1)
    assert packed_once(weight, refuse) is None
    assert len(asked) == 2


# -- memory that is used again -------------------------------------------------------------------


class Overwrites(Counted):
    """A packing that overwrites the memory it is given."""

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor:
        packed = super().__call__(weight)
        return packed if memory is None else memory.copy_(packed)


def test_a_changed_parameter_is_packed_into_the_memory_of_its_earlier_content() -> None:
    weight, pack = Parameter(filters()), Overwrites()
    first = packed_once(weight, pack)
    for turn in range(3):
        weight.data.add_(1)
        assert packed_once(weight, pack) is first
        assert same(first, weight)
        assert pack.times == turn + 2
    assert len(packed_weights._cache.entries) == 1


OTHER_USERS: dict[str, Callable[[Tensor], Tensor]] = {
    "a parameter": lambda weight: Parameter(weight.detach().clone()),
    "a tensor": lambda weight: weight.detach().clone(),
}


@pytest.mark.parametrize("make", OTHER_USERS.values(), ids=OTHER_USERS)
def test_memory_that_another_tensor_uses_is_not_overwritten(
    make: Callable[[Tensor], Tensor],
) -> None:
    weight, pack = Parameter(filters()), Overwrites()
    other = make(weight)
    packed_once(weight, pack)
    packed_once(other, pack)
    weight.data.add_(1)
    assert same(packed_once(weight, pack), weight)
    assert same(packed_once(other, pack), other)
    assert pack.times == 2


def test_the_memory_of_a_tensor_that_is_no_parameter_is_not_overwritten() -> None:
    """It may have been made for one call, and its content may come back."""
    weight, pack = filters(), Overwrites()
    before = packed_once(weight, pack)
    weight.neg_()
    after = packed_once(weight, pack)
    weight.neg_()
    assert packed_once(weight, pack) is before
    assert after is not before
    assert pack.times == 2


def test_a_parameter_whose_packing_is_refused_once_is_packed_later() -> None:
    weight, pack = Parameter(filters()), Overwrites()

    def positive(given: Tensor, memory: Tensor | None) -> Tensor | None:
        return pack(given, memory) if (given > 0).all() else None

    for change, refused in ((0.0, True), (100.0, False), (-100.0, True), (100.0, False)):
        weight.data.add_(change)
        packed = packed_once(weight, positive)
        assert packed is None if refused else same(packed, weight)


# -- how long it is kept ------------------------------------------------------------------------


def test_a_packed_weight_is_kept_while_its_weight_exists(
    pack: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_weights, "MAX_UNUSED_BYTES", 0)
    held = [filters(8, 4, 3, 3) + number for number in range(20)]
    for _ in range(2):
        for weight in held:
            assert same(packed_once(weight, pack), weight)
    assert pack.times == 20
    assert packed_bytes() == sum(weight.nbytes for weight in held)


def test_a_packed_weight_is_released_with_its_last_parameter(pack: Counted) -> None:
    held = [Parameter(filters(8, 4, 3, 3) + number) for number in range(20)]
    copies = copy.deepcopy(held)
    for weight in [*held, *copies]:
        packed_once(weight, pack)
    size = sum(weight.nbytes for weight in held)
    assert packed_bytes() == size
    del weight, held
    gc.collect()
    assert packed_bytes() == size
    del copies
    gc.collect()
    assert packed_bytes() == 0
    assert not packed_weights._cache.entries
    assert not packed_weights._cache.users


def test_a_changed_parameter_releases_what_was_packed_of_it(pack: Counted) -> None:
    weight = Parameter(filters())
    for _ in range(5):
        packed_once(weight, pack)
        weight.data.add_(1)
    assert packed_bytes() == weight.nbytes
    del weight
    gc.collect()
    assert packed_bytes() == 0


def test_a_view_does_not_keep_the_content_of_its_parameter(pack: Counted) -> None:
    weight = Parameter(filters())
    packed_once(weight, pack)
    packed_once(weight.data, pack)
    del weight
    gc.collect()
    assert packed_bytes() == 0


def test_of_unused_packed_weights_the_least_recently_used_are_released(
    pack: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = [filters(8, 4, 3, 3) + number for number in range(6)]
    room = 2 * weights[0].nbytes + packed_weights.BYTES_PER_ENTRY + 64  # with its content
    monkeypatch.setattr(packed_weights, "MAX_UNUSED_BYTES", 3 * room)

    def packs(number: int) -> bool:
        before = pack.times
        packed_once(weights[number].clone(), pack)
        return pack.times > before

    assert [packs(number) for number in (0, 1, 2)] == [True] * 3
    assert [packs(number) for number in (0, 1, 2, 0)] == [False] * 4
    assert packs(3)  # 1 was used longest ago
    assert packed_bytes() == 3 * weights[0].nbytes
    assert not packs(2)
    assert not packs(0)
    assert packs(1)
    assert packs(3)
    assert packed_weights._cache.unused_bytes <= 3 * room


def test_the_last_used_is_kept_even_where_it_is_too_large(
    pack: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_weights, "MAX_UNUSED_BYTES", 1)
    weight = filters()
    for _ in range(3):
        packed_once(weight.clone(), pack)
    assert pack.times == 1
    packed_once(weight + 1, pack)
    assert packed_bytes() == weight.nbytes


def test_refusals_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_weights, "MAX_UNUSED_BYTES", 50 * packed_weights.BYTES_PER_ENTRY)
    for number in range(200):
        packed_once(filters() + number, refuse_all)
    assert len(packed_weights._cache.entries) < 50


def refuse_all(weight: Tensor, memory: Tensor | None) -> None:
    """Refuse every weight."""


def test_the_unused_bytes_are_those_of_the_unused_entries(pack: Counted) -> None:
    chance = random.Random(0)
    held: list[Tensor] = []
    for turn in range(600):
        weight = filters(2, 2, 3, 3) + chance.randrange(8)
        given = Parameter(weight) if chance.random() < 0.5 else weight
        held.append(given)
        packed_once(chance.choice(held), pack)
        if chance.random() < 0.3:
            chance.choice(held).data.add_(1)
        if chance.random() < 0.5:
            held.pop(chance.randrange(len(held)))
        del weight, given
        cache = packed_weights._cache
        assert cache.unused_bytes == sum(entry.nbytes for entry in cache.unused.values())
        counted = Counter(id(user.entry) for user in cache.users.values())
        for entry in cache.entries.values():
            assert entry.users == counted[id(entry)]
            assert (entry.users == 0) == (entry.key in cache.unused), turn
        assert set(cache.unused) <= set(cache.entries)


def test_a_garbage_collection_within_the_lock_releases_afterwards(pack: Counted) -> None:
    weight = Parameter(filters())
    packed_once(weight, pack)
    with packed_weights._cache.lock:
        del weight
        gc.collect()
        assert packed_bytes() > 0
    other = filters() + 1
    packed_once(other, pack)
    assert packed_bytes() == other.nbytes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_was_forked_while_the_lock_was_held_packs() -> None:
    """In a process of its own, since this one has threads of PyTorch's."""
    program = """
import os, sys, torch
torch.set_num_threads(1)
from glassconv.kernels.runtime import packed_weights
weight = torch.ones(4, 3, 3, 3)
with packed_weights._cache.lock:
    child = os.fork()
    if not child:
        packed = packed_weights.packed_once(weight, lambda weight, memory: weight.clone())
        os._exit(0 if torch.equal(packed, weight) else 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=120, check=False).returncode == 0


# -- other weights and threads ------------------------------------------------------------------


def test_a_new_weight_in_the_place_of_an_old_one_is_packed(pack: Counted) -> None:
    seen = set()
    for number in range(200):
        weight = torch.full((2, 2, 3, 3), float(number % 2))  # two contents
        seen.add(id(weight))
        assert same(packed_once(weight, pack), weight)
        del weight
    assert len(seen) < 200  # some had the identity of an earlier one
    assert pack.times == 2


def test_a_weight_written_to_while_it_is_packed_is_not_kept() -> None:
    weight = filters()

    def slow(given: Tensor, memory: Tensor | None) -> Tensor:
        packed = given.clone()
        weight.data[0, 0, 0, 0] += 1  # another thread's doing
        return packed

    packed_once(weight, slow)
    assert packed_bytes() == 0


def test_eight_threads_pack_and_change_weights_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_weights, "MAX_UNUSED_BYTES", 10 * packed_weights.BYTES_PER_ENTRY)
    pack, shared = Counted(), Parameter(filters())

    def work(number: int) -> bool:
        fine = True
        for turn in range(60):
            own = torch.full((3, 2, 3, 3), float(turn % 7))  # threads have contents in common
            given = Parameter(own) if number % 2 else own
            fine &= same(packed_once(given, pack), own)
            own.data[0, 0, 0, 0] = -number
            fine &= same(packed_once(given, pack), own)
            fine &= same(packed_once(shared, pack), shared)
            fine &= same(packed_once(shared.data, pack), shared)
        return fine

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    gc.collect()
    packed_once(shared, pack)
    cache = packed_weights._cache
    assert list(cache.users) == [(id(shared), pack)]
    assert cache.unused_bytes == sum(entry.nbytes for entry in cache.unused.values())
    assert cache.unused_bytes <= packed_weights.MAX_UNUSED_BYTES
    assert len(cache.entries) == len(cache.unused) + 1
