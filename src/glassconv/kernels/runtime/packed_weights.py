"""The cache of packed weights: a weight of the same content is packed once.

An entry is found by the weight's content: its checksum, shape, strides and element type. It does
not matter which tensor holds the content, so `weight.data`, a view, a copy and a NumPy array find
the same entry. PyTorch's version counters miss writes through `.data`, NumPy and shared memory, so
each call computes the checksum of the whole weight, at memory bandwidth (see checksum.py).

An entry is kept while a tensor whose content it is exists. Then it depends on what used it last. A
parameter is meant to last: when it is freed or changed, its entry is removed. Any other tensor may
be a view or a copy made for one call: its entry is kept, and of those entries the least recently
used are removed where together they fill more than `MAX_UNUSED_BYTES` (docs/adr/0015).

A parameter that changes is packed again into the memory of its earlier entry, since the pages of
fresh memory cost more than the packing.

In training, an optimiser changes the weight after each use. While `of_changing_weights`, a content
that is seen for the first time is `NOT_KEPT`: the caller packs it into memory that the next call
overwrites. What is used again without a change is kept from its second use on. A small weight is
never kept then: it is packed in less time than it takes to find out whether it changed.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import Parameter

from glassconv.codegen.pages import ask_for_huge_pages
from glassconv.kernels.runtime.checksum import checksum

Pack = Callable[[Tensor, Tensor | None], Tensor | None]  # the weight, and memory to write to


class Packing(Protocol):
    """A kernel's `Pack`, which is equal for equal problems, and says how much it returns."""

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor | None:
        """Return the weight as the kernel reads it, None where it refuses it.

        memory: what it returned for another weight and may overwrite.
        """

    @property
    def elements(self) -> int:
        """Return how many elements the packed weight has."""


@runtime_checkable
class DivisiblePacking(Packing, Protocol):
    """A packing of filters that can be packed without the others."""

    def of_filters(self, count: int) -> Packing:
        """Return the packing of so many filters."""

    def filters(self, weight: Tensor, chosen: slice) -> Tensor:
        """Return some filters of a weight."""


Content = tuple[bytes, tuple[int, ...], tuple[int, ...], torch.dtype]  # checksum, shape, strides
UserKey = tuple[int, Pack]  # the identity of a tensor

NOT_KEPT = torch.empty(0)  # in place of a packed weight, which the caller packs for one call
MAX_REPACKED_BYTES = 2**18  # of a weight that is packed for each call while it may change
MAX_UNUSED_BYTES = 2**29
BYTES_PER_ENTRY = 2**10  # of Python objects beside the packed weight


@dataclass(eq=False)
class _Entry:
    """A packed weight, and how many of the existing tensors have its content."""

    key: tuple[Content, Pack]
    packed: Tensor | None
    users: int = 0

    @property
    def nbytes(self) -> int:
        """Return about how much memory it takes."""
        packed = 0 if self.packed is None else self.packed.nbytes
        return packed + len(self.key[0][0]) + BYTES_PER_ENTRY


@dataclass(frozen=True, eq=False)
class _User:
    """A tensor whose content was an entry's when it was last used."""

    tensor: weakref.ref[Tensor]
    content: Content
    entry: _Entry | None  # None: the content was new, and its packed weight is not kept
    is_parameter: bool
    memory: Tensor | None = None  # of an earlier entry, for when the new content is used again


@dataclass
class _Cache:
    """All entries, and the tensors that use them. Every method but `find` needs the lock."""

    users: dict[UserKey, _User] = field(default_factory=dict)
    entries: dict[tuple[Content, Pack], _Entry] = field(default_factory=dict)
    unused: dict[tuple[Content, Pack], _Entry] = field(default_factory=dict)  # the oldest first
    unused_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    freed: deque[tuple[UserKey, weakref.ref[Tensor]]] = field(default_factory=deque)

    def find(self, tensor: Tensor, pack: Pack, content: Content) -> _Entry | None:
        """Return the entry that this tensor used last, if its content is the same."""
        user = self.users.get((id(tensor), pack))
        if user is None or user.tensor() is not tensor or user.content != content:
            return None
        return user.entry

    def take(self, tensor: Tensor, pack: Pack) -> Tensor | None:
        """Return the memory of a changed parameter's entry, without the entry, if no other uses it.

        The call that changed the parameter must not run beside one that reads it, as in PyTorch.
        """
        user = self.users.get((id(tensor), pack))
        if user is None or user.tensor() is not tensor:
            return None
        if user.entry is None:
            del self.users[id(tensor), pack]  # so that no other thread takes it, too
            return user.memory
        if not user.is_parameter or user.entry.users > 1:
            return None
        del self.users[id(tensor), pack], self.entries[user.entry.key]
        return user.entry.packed

    def use(self, tensor: Tensor, entry: _Entry) -> None:
        """Note that a tensor has an entry's content, and no longer that of an earlier entry."""
        entry.users += 1
        if self.unused.pop(entry.key, None) is not None:
            self.unused_bytes -= entry.nbytes
        self._note(tensor, *entry.key, entry)

    def note_new(self, tensor: Tensor, pack: Pack, content: Content) -> bool:
        """Note the content of a tensor, without an entry; return whether it was another before."""
        user = self.users.get((id(tensor), pack))
        if user is not None and user.tensor() is tensor and user.content == content:
            return False
        memory = self.take(tensor, pack)
        self._note(tensor, content, pack, None, memory)
        return True

    def _note(
        self,
        tensor: Tensor,
        content: Content,
        pack: Pack,
        entry: _Entry | None,
        memory: Tensor | None = None,
    ) -> None:
        user_key = (id(tensor), pack)
        before = self.users.pop(user_key, None)  # of this tensor, or of a freed one in its place
        if before is not None:
            self.release(before)
        reference = weakref.ref(tensor, lambda freed: self.on_free(user_key, freed))
        is_parameter = type(tensor) is Parameter
        self.users[user_key] = _User(reference, content, entry, is_parameter, memory)

    def release(self, user: _User) -> None:
        """Remove an entry without users if a parameter was the last, else keep it for a while."""
        entry = user.entry
        if entry is None:
            return
        entry.users -= 1
        if entry.users:
            return
        if user.is_parameter:
            del self.entries[entry.key]
            return
        self.unused[entry.key] = entry
        self.unused_bytes += entry.nbytes
        while self.unused_bytes > MAX_UNUSED_BYTES and len(self.unused) > 1:
            oldest = self.unused.pop(next(iter(self.unused)))
            self.unused_bytes -= oldest.nbytes
            del self.entries[oldest.key]

    def on_free(self, user_key: UserKey, reference: weakref.ref[Tensor]) -> None:
        """Release a freed tensor's entry: now, or where this thread has the lock, after that."""
        self.freed.append((user_key, reference))
        self.release_freed()

    def release_freed(self) -> None:
        """Release the entries of freed tensors, unless a thread that has the lock will do so."""
        while self.freed and self.lock.acquire(blocking=False):
            try:
                while self.freed:
                    user_key, reference = self.freed.popleft()
                    user = self.users.get(user_key)
                    if user is not None and user.tensor is reference:
                        del self.users[user_key]
                        self.release(user)
            finally:
                self.lock.release()


class _Changing(threading.local):
    """Whether the weights of this thread's calls are about to change."""

    is_on = False


_cache = _Cache()
_changing = _Changing()


@contextmanager
def of_changing_weights() -> Iterator[None]:
    """Keep no packed weight of a new content: an optimiser is about to change it."""
    before, _changing.is_on = _changing.is_on, True
    try:
        yield
    finally:
        _changing.is_on = before


def packed_once(weight: Tensor, pack: Pack) -> Tensor | None:
    """Return pack(weight), from the cache for a known content; None if it refuses the weight.

    `of_changing_weights`, it returns `NOT_KEPT` for a small weight, and for a content of which it
    has not been asked before, and has not packed it.
    """
    if _changing.is_on and weight.nbytes <= MAX_REPACKED_BYTES:
        return NOT_KEPT
    content = checksum(weight), weight.shape, weight.stride(), weight.dtype
    entry = _cache.find(weight, pack, content)
    if entry is not None:
        return entry.packed
    memory, is_kept = None, True
    with _cache.lock:
        entry = _cache.entries.get((content, pack))
        if entry is not None:
            _cache.use(weight, entry)
        elif _changing.is_on:
            is_kept = not _cache.note_new(weight, pack, content)
        if entry is None and is_kept:
            memory = _cache.take(weight, pack)
    if not is_kept:
        _cache.release_freed()
        return NOT_KEPT
    if entry is None:
        entry = _Entry((content, pack), _packed(weight.detach(), pack, memory))
        if checksum(weight) != content[0]:  # changed by another thread while it was packed
            return entry.packed
        with _cache.lock:
            entry = _cache.entries.setdefault(entry.key, entry)
            _cache.use(weight, entry)
    _cache.release_freed()
    return entry.packed


def _packed(weight: Tensor, pack: Pack, memory: Tensor | None) -> Tensor | None:
    """Return pack(weight) in its own memory, which does not change with the weight."""
    packed = pack(weight, memory)
    if packed is not None and packed.untyped_storage().data_ptr() == (
        weight.untyped_storage().data_ptr()
    ):
        return packed.clone()
    return packed


def memory_for(elements: int, weight: Tensor, memory: Tensor | None) -> Tensor:
    """Return memory for so many packed elements of a weight: what is given, or new."""
    if memory is not None:
        return memory
    with torch.inference_mode(False):  # an inference tensor refuses writes outside that mode
        memory = torch.empty(elements, dtype=weight.dtype)
    ask_for_huge_pages(memory.data_ptr(), memory.nbytes)
    return memory


def packed_bytes() -> int:
    """Return the total size of the cached packed weights in bytes."""
    packed = [entry.packed for entry in list(_cache.entries.values())]
    return sum(each.nbytes for each in packed if each is not None)


def forget() -> None:
    """Forget all packed weights."""
    with _cache.lock:
        _cache.users.clear()
        _cache.entries.clear()
        _cache.unused.clear()
        _cache.unused_bytes = 0


def _renew_lock() -> None:
    _cache.lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # another thread may hold the lock when a process forks
    os.register_at_fork(after_in_child=_renew_lock)
