"""Huge pages are asked for where there is room for one, and nothing that lies there changes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from glassconv.codegen import pages
from glassconv.codegen.pages import HUGE_PAGE, WORTHWHILE_BYTES, ask_for_huge_pages


@pytest.mark.parametrize("start", [0, 64, 4096])
def test_what_lies_there_stays(start: int) -> None:
    array = torch.arange(3 * HUGE_PAGE // 4 + 5000, dtype=torch.float32)
    ask_for_huge_pages(array.data_ptr() + start, array.nbytes - start)
    assert torch.equal(array, torch.arange(array.numel(), dtype=torch.float32))


def test_only_whole_pages_within_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int | None]] = []
    monkeypatch.setattr(pages, "_madvise", lambda *what: asked.append(what))
    ask_for_huge_pages(HUGE_PAGE + 64, WORTHWHILE_BYTES)
    ask_for_huge_pages(HUGE_PAGE, WORTHWHILE_BYTES - 1)
    assert asked == [(2 * HUGE_PAGE, HUGE_PAGE, pages.MADV_HUGEPAGE)]


def test_a_system_without_them_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_madvise", None)
    ask_for_huge_pages(0, WORTHWHILE_BYTES)


def test_a_system_without_a_handle_of_its_process_keeps_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(name: str | None) -> None:
        raise TypeError("bad argument type for built-in operation")  # as on Windows

    monkeypatch.setattr("ctypes.CDLL", refuse)
    assert not pages.keep_memory()


MEASURED = """
import resource, torch
from glassconv.codegen.pages import keep_memory
print(keep_memory())
for _ in range(3):
    torch.ones(5_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(5_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_kept_memory_is_not_fresh_again() -> None:
    """20 MB are 4,883 pages: five times as many if each were fresh."""
    run = [sys.executable, "-c", MEASURED]
    kept, faults = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    if kept == "False":
        pytest.skip("this C library's allocator takes no such wish")
    assert int(faults) < 2 * 4883
