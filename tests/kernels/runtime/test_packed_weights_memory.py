"""How long a packed weight is kept, and which memory is used again."""

from __future__ import annotations

import copy
import gc
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
from torch import Tensor
from torch.nn import Parameter

from glassconv.kernels.runtime import packed_weights
from glassconv.kernels.runtime.packed_weights import (
    NOT_KEPT,
    of_changing_weights,
    packed_bytes,
    packed_once,
)
from support.counted_packing import Counted, filters, same


@pytest.fixture
def pack() -> Counted:
    return Counted()


@pytest.fixture(autouse=True)
def nothing_packed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin and end with an empty cache. The small weights of these tests count as large."""
    monkeypatch.setattr(packed_weights, "MAX_REPACKED_BYTES", 0)
    packed_weights.forget()
    yield
    packed_weights.forget()


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


# -- in training, where the weight is about to change ---------------------------------------------


def used(weight: Tensor, pack: Counted) -> Tensor | None:
    """Return the packed weight, None where it is to be packed for one call."""
    packed = packed_once(weight, pack)
    return None if packed is NOT_KEPT else packed


def test_a_weight_that_changes_after_each_use_is_not_kept() -> None:
    weight, pack = Parameter(filters()), Overwrites()
    with of_changing_weights():
        for _ in range(3):
            assert packed_once(weight, pack) is NOT_KEPT
            weight.data.add_(1)
    assert not packed_weights._cache.entries
    assert len(packed_weights._cache.users) == 1
    del weight
    gc.collect()
    assert not packed_weights._cache.users


def test_a_weight_that_is_used_again_unchanged_is_kept_from_then_on() -> None:
    weight, pack = Parameter(filters()), Overwrites()
    with of_changing_weights():
        assert used(weight, pack) is None
        kept = used(weight, pack)
        assert kept is not None
        assert used(weight, pack) is kept
        assert pack.times == 1
        weight.data.add_(1)
        assert used(weight, pack) is None
    assert packed_bytes() == 0


def test_training_uses_what_is_kept_already() -> None:
    weight, pack = Parameter(filters()), Overwrites()
    kept = packed_once(weight, pack)
    with of_changing_weights():
        assert used(weight, pack) is kept
    assert used(weight, pack) is kept
    assert pack.times == 1


def test_a_small_weight_is_packed_for_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, pack = Parameter(filters()), Overwrites()
    for size, kept in ((weight.nbytes, False), (weight.nbytes - 1, True)):
        monkeypatch.setattr(packed_weights, "MAX_REPACKED_BYTES", size)
        with of_changing_weights():
            assert used(weight, pack) is None
            assert (used(weight, pack) is not None) == kept
        assert (packed_bytes() > 0) == kept
    assert used(weight, pack) is not None  # outside of training


def test_a_new_tensor_of_each_step_leaves_nothing_behind() -> None:
    """As of `weight_norm`, which computes the weight anew."""
    pack = Overwrites()
    with of_changing_weights():
        for number in range(5):
            weight = filters() + number
            assert packed_once(weight, pack) is NOT_KEPT
    del weight
    gc.collect()
    assert not packed_weights._cache.entries
    assert not packed_weights._cache.users


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
        chosen = chance.choice(held)
        with of_changing_weights() if chance.random() < 0.3 else nullcontext():
            used(chosen, pack)
        del chosen
        if chance.random() < 0.3:
            chance.choice(held).data.add_(1)
        if chance.random() < 0.5:
            held.pop(chance.randrange(len(held)))
        del weight, given
        cache = packed_weights._cache
        assert cache.unused_bytes == sum(entry.nbytes for entry in cache.unused.values())
        counted = Counter(id(user.entry) for user in cache.users.values() if user.entry)
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
