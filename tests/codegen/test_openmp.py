"""PyTorch's threads are released before a fork, or the child uses one."""

from __future__ import annotations

import pytest
import torch

from glassconv.codegen import openmp


def test_a_process_without_openmp_has_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmp, "_where_pytorch_looks", lambda: iter([object()]))
    assert openmp._library.__wrapped__() is None


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
