"""A content is packed once, and never stale, whatever path changed it."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

import glassconv
from glassconv.kernels.runtime import packed_weights
from glassconv.kernels.runtime.packed_weights import packed_bytes, packed_once
from support.counted_packing import Counted, filters, same


@pytest.fixture
def pack() -> Counted:
    return Counted()


@pytest.fixture(autouse=True)
def nothing_packed() -> Iterator[None]:
    packed_weights.forget()
    yield
    packed_weights.forget()


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


def test_a_weight_packed_in_inference_mode_may_change_outside_of_it() -> None:
    weight, input = torch.nn.Parameter(torch.ones(8, 4, 3, 3)), torch.ones(1, 4, 9, 9)
    with torch.inference_mode():
        before = glassconv.conv2d(input, weight, padding=1, accuracy="strict")
    with torch.no_grad():
        weight.mul_(2)
        after = glassconv.conv2d(input, weight, padding=1, accuracy="strict")
    assert torch.equal(after, 2 * before)
