"""The rates of a machine: measured once, kept, and never taken from another or a poisoned file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from glassconv.dispatch import machine_store, recent_calls, select
from glassconv.dispatch.select import choose
from glassconv.errors import DataError, UnsupportedError
from glassconv.problem.shorthand import parse
from glassconv.reports.machine import Machine, PyTorch
from support.fixed_machine import FIXED, of_this_machine


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Give each test a folder of its own, and count the measurements, which take no time."""
    numbers: list[int] = []

    def measure(threads: int) -> Machine:
        numbers.append(threads)
        return of_this_machine(threads)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine_store, "measure", measure)
    machine_store.forget()
    yield numbers
    machine_store.forget()


def test_it_is_measured_once_for_each_number_of_threads(measured: list[int]) -> None:
    for threads in (1, 2, 1, 2):
        assert machine_store._machine(threads) == of_this_machine(threads)
    assert measured == [1, 2]
    machine_store.forget()  # as in another process
    assert machine_store._machine(2) == of_this_machine(2)
    assert measured == [1, 2]


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00", "null", '{"a": 1}', "[" * 10_000])
def test_a_file_that_is_not_ours_is_not_used(content: str, measured: list[int]) -> None:
    machine_store.file().parent.mkdir(parents=True)
    machine_store.file().write_text(content)
    assert machine_store._machine(2) == of_this_machine(2)
    machine_store.forget()
    assert machine_store._machine(2) == of_this_machine(2)
    assert measured == [2]


POISON: list[tuple[tuple[str, ...], Any]] = [
    (("instructions", "multiply_add"), 0.0),
    (("instructions", "load"), -1e-9),
    (("instructions", "store"), "fast"),
    (("instructions", "gather"), float("nan")),
    (("memory_bytes_per_second",), 0),
    (("memory_bytes_per_second",), float("inf")),
    (("threads",), 3),
    (("levels",), []),
    (("levels",), None),
    (("pytorch", "macs_per_second"), [["dense nchw", 1e9]]),
    (("pytorch", "copied_per_second"), 7),
    (("processor",), "another"),
    (("unknown",), 1),
]


@pytest.mark.parametrize(("path", "value"), POISON, ids=str)
def test_a_poisoned_record_is_measured_again(
    path: tuple[str, ...], value: Any, measured: list[int]
) -> None:
    machine_store._machine(2)
    document = json.loads(machine_store.file().read_text())
    (by_threads,) = document.values()
    record = by_threads["2"]
    for name in path[:-1]:
        record = record[name]
    record[path[-1]] = value
    machine_store.file().write_text(json.dumps(document))
    machine_store.forget()
    assert machine_store._machine(2) == of_this_machine(2)
    assert measured == [2, 2]


def test_a_machine_with_other_caches_is_another(measured: list[int]) -> None:
    machine_store._machine(2)
    document = json.loads(machine_store.file().read_text())
    (by_threads,) = document.values()
    by_threads["2"]["levels"][0]["size"] *= 2
    machine_store.file().write_text(json.dumps(document))
    machine_store.forget()
    machine_store._machine(2)
    assert measured == [2, 2]


def test_where_nothing_can_be_written_it_is_kept_in_memory(
    tmp_path: Path, measured: list[int]
) -> None:
    (tmp_path / "glassconv").write_text("a file where the folder should be")
    for _ in range(2):
        assert machine_store._machine(2) == of_this_machine(2)
    assert measured == [2]


def test_a_user_without_a_home_folder_keeps_it_in_memory(
    monkeypatch: pytest.MonkeyPatch, measured: list[int]
) -> None:
    def homeless() -> Path:
        raise DataError("this user has no home folder")

    monkeypatch.setattr(machine_store, "cache_folder", homeless)
    for _ in range(2):
        assert machine_store._machine(2) == of_this_machine(2)
    assert measured == [2]


def test_what_is_measured_on_a_busy_machine_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, measured: list[int]
) -> None:
    def measure(threads: int) -> Machine:
        measured.append(threads)
        return replace(of_this_machine(threads), is_busy=True)

    monkeypatch.setattr(machine_store, "measure", measure)
    for _ in range(2):
        assert machine_store._machine(2).is_busy
    assert measured == [2]
    assert not machine_store.file().exists()


@pytest.mark.parametrize(("rate", "value"), [("region", 0.01), ("share_of_cores", 0.7)])
def test_with_busy_cores_pytorch_is_measured_with_one_thread(
    rate: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(f"glassconv.kernels.runtime.rates.{rate}", lambda target, threads: value)
    before, used = torch.get_num_threads(), []

    def measure_pytorch(machine: Machine, times: int = 1) -> PyTorch:
        used.append((torch.get_num_threads(), times))
        return FIXED.pytorch

    monkeypatch.setattr("glassconv.algorithms.parts.pytorch_cost.measure", measure_pytorch)
    monkeypatch.setattr("glassconv.algorithms.parts.pytorch_gradient_cost.measure", dict)
    machine = machine_store.measure(3)
    assert machine.is_busy
    assert machine.region == 0.0
    assert used[-1] == (1, 3)
    assert torch.get_num_threads() == before


def test_measuring_again_replaces_what_was_kept(measured: list[int]) -> None:
    threads = torch.get_num_threads()
    machine_store._machine(threads)
    assert machine_store.measure_again() == of_this_machine(threads)
    assert machine_store._machine(threads) == of_this_machine(threads)
    assert measured == [threads, threads]


def test_measuring_again_on_a_busy_machine_says_so_and_keeps_what_there_was(
    monkeypatch: pytest.MonkeyPatch, measured: list[int]
) -> None:
    threads = torch.get_num_threads()
    kept = machine_store._machine(threads)
    busy = replace(of_this_machine(threads), is_busy=True)
    monkeypatch.setattr(machine_store, "measure", lambda threads: busy)
    assert machine_store.measure_again() is busy
    assert machine_store._machine(threads) == kept


def test_what_prevents_it_is_raised_by_the_first_try(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(threads: int) -> Machine:
        tried.append(threads)
        raise UnsupportedError("no kernel runs here")

    monkeypatch.setattr(machine_store, "measure", refuse)
    with pytest.raises(UnsupportedError):
        machine_store._machine(2)
    assert tried == [2]


def test_only_a_choice_between_candidates_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Machine:
        raise AssertionError("nothing is to be compared")

    monkeypatch.setattr(machine_store, "machine", refuse)
    select.forget()
    assert select.chosen(parse("3x8x8 4@3x3"), "aten").name == "aten"
    assert select.chosen(parse("3x8x8 4@3x3"), "implicit_gemm").name == "implicit_gemm"
    assert select.chosen(parse("3x8x8x8 4@3x3x3")).name == "aten"
    assert choose("3x8x8 4@3x3", device="cuda").algorithm == "aten"
    with pytest.raises(AssertionError):
        select.chosen(parse("3x8x8 4@3x3"))
    select.forget()


def test_the_measured_call_is_recognised_as_most_calls_are(monkeypatch: pytest.MonkeyPatch) -> None:
    recognised: list[bool] = []

    def recall(*arguments: Any) -> Any:
        call = recent_calls.recall(*arguments)
        recognised.append(call is not None)
        return call

    monkeypatch.setattr("glassconv.dispatch.dispatch.recall", recall)
    machine_store._dispatch_seconds()
    assert recognised.count(False) <= 1  # the first of them


def test_the_same_rates_make_the_same_choice() -> None:
    layers = ["64x56x56 64@3x3 p1", "32x30x30 32@3x3 p1 g32", "3x32x32 4@5x5", "512x1x1 64@1x1"]
    names = []
    for _ in range(2):
        select.forget()
        names.append([choose(layer, layout=layout).algorithm
                      for layer in layers for layout in ("nchw", "nhwc")])  # fmt: skip
    assert names[0] == names[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_is_measured_where_no_mode_of_pytorch_is_active(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it is measured in earnest: with the default device "meta" no array has any memory.

    dtype: the default element type, which all threads share.
    """
    monkeypatch.undo()
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            machine = machine_store._measured_apart(1)
    finally:
        torch.set_default_dtype(before)
    assert machine.threads == 1
    document = json.loads(machine.to_json())
    assert Machine.from_document(document) == machine
