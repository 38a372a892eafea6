"""Targets are what their names say, and the host's is what LLVM and Linux say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from glassconv.codegen import target as targets
from glassconv.codegen.target import TARGETS, Target, host, named, runs
from glassconv.errors import UnknownNameError
from support.compile_function import this_machine


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_tile_leaves_room_for_a_row_of_vectors_and_a_scalar(target: Target) -> None:
    rows, vectors = target.tile()
    assert rows * vectors + vectors + 1 <= target.registers
    assert rows * vectors >= 8  # sums enough to hide the latency of a multiply-add


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_lanes_fill_a_vector(target: Target) -> None:
    assert target.lanes("float32") * 4 == target.lanes("float64") * 8 == target.vector_bytes


def test_an_unknown_name_is_told_the_known() -> None:
    with pytest.raises(UnknownNameError, match="'sse'; available: avx512, avx2, neon"):
        named("sse")


def test_the_host_is_as_llvm_says() -> None:
    found = this_machine()
    assert found.cpu == llvm.get_host_cpu_name()
    assert found.triple == llvm.get_process_triple()
    assert (found.vector_bytes, found.registers) == (
        named(found.name).vector_bytes,
        named(found.name).registers,
    )
    assert 2**14 <= found.l1 <= 2**20 <= 8 * found.l2


@pytest.mark.parametrize(
    ("features", "triple", "name"),
    [
        ({"avx2": True, "fma": True}, "x86_64-unknown-linux-gnu", "avx2"),
        ({"avx2": True, "fma": False}, "x86_64-unknown-linux-gnu", None),
        ({"avx2": True, "fma": True, "avx512f": True}, "x86_64-unknown-linux-gnu", "avx2"),
        ({"avx512f": True, "avx512dq": True, "avx2": True}, "x86_64-unknown-linux-gnu", "avx512"),
        ({}, "x86_64-unknown-linux-gnu", None),
        ({}, "aarch64-unknown-linux-gnu", "neon"),
        ({}, "arm64-apple-darwin", "neon"),
    ],
)
def test_every_processor_has_its_target_or_none(
    features: dict[str, bool], triple: str, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Features(dict[str, bool]):
        def flatten(self) -> str:
            return ",".join(("+" if on else "-") + each for each, on in self.items())

    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: Features(features))
    monkeypatch.setattr(llvm, "get_process_triple", lambda: triple)
    found = host.__wrapped__()
    assert (found.name if found else None) == name
    if found and name == "avx512":
        assert found.features.endswith(",-prefer-256-bit")


def test_caches_are_read_as_linux_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, (level, kind, size) in enumerate(
        [("1", "Instruction", "64K"), ("1", "Data", "48K"), ("2", "Unified", "1280K")]
    ):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    (tmp_path / "index9").mkdir()  # which says nothing
    monkeypatch.setattr(targets, "CACHES", tmp_path)
    found = host.__wrapped__()
    assert found is not None
    assert (found.l1, found.l2) == (48 * 2**10, 1280 * 2**10)
    monkeypatch.setattr(targets, "CACHES", tmp_path / "none")
    found = host.__wrapped__()
    assert found is not None
    assert (found.l1, found.l2) == (named(found.name).l1, named(found.name).l2)


def test_a_machine_runs_its_own_code_and_that_of_its_predecessors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert runs(this_machine())
    assert runs(this_machine(l2=2**10))
    for name, able in [("avx512", {"avx512", "avx2"}), ("avx2", {"avx2"}), ("neon", {"neon"})]:
        here = named(name)
        monkeypatch.setattr(targets, "host", lambda here=here: here)
        assert {other for other in TARGETS if runs(named(other))} == able
        assert not runs(replace(here, triple="riscv64-unknown-linux-gnu"))
    monkeypatch.setattr(targets, "host", lambda: None)
    assert not runs(named("avx2"))
