"""Kernels use the threads of PyTorch's own OpenMP runtime, or one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from glassconv.codegen import openmp
from glassconv.codegen.openmp import runtime, threads


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_torchs_threads_count() -> None:
    assert threads() == (2 if runtime() else 1)
    torch.set_num_threads(1)
    assert threads() == 1


@pytest.mark.usefixtures("two_threads")
def test_without_a_runtime_one_thread_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmp, "runtime", lambda: None)
    assert threads() == 1


def test_the_runtime_is_torchs() -> None:
    found, maps = runtime(), Path("/proc/self/maps")
    if "USE_OPENMP=ON" not in torch.__config__.show() or found is None or not maps.exists():
        pytest.skip("PyTorch uses no OpenMP here, or the system does not say where it is")
    ranges = [
        [int(bound, 16) for bound in line.split()[0].split("-")]
        for line in maps.read_text().splitlines()
        if str(Path(torch.__file__).parent) in line and "libgomp" in line
    ]
    for address in found.values():
        assert any(low <= address < high for low, high in ranges) or not ranges


def test_a_process_without_openmp_has_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmp, "_where_pytorch_looks", lambda: iter([object()]))
    monkeypatch.setattr(openmp, "_library", openmp._library.__wrapped__)
    assert runtime.__wrapped__() is None


def test_a_runtime_that_cannot_release_its_threads_leaves_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fork in the test's own process would copy its threads; the hooks are called instead."""
    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    for library, expected in ((Refusing(), [1]), (Llvms(), [1]), (None, [1])):
        monkeypatch.setattr(openmp, "_library", lambda library=library: library)
        openmp._before_fork()
        openmp._after_fork_in_child()
        assert set_to == expected


class Refusing:
    """A GNU runtime within a parallel region."""

    def omp_pause_resource_all(self, kind: int) -> int:
        return -1


class Llvms:
    """A runtime that handles forks itself."""


setattr(Llvms, "__kmpc_fork_call", None)  # the class body mangles the name
