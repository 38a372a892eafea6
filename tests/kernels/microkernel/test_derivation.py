"""Every rung of the derivation is right within its bound, and has the registers that it states."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from glassconv.codegen.analysis.assembly import hot_loop, spilling
from glassconv.codegen.jit import assembly, compiled
from glassconv.codegen.struct import pack
from glassconv.codegen.target import TARGETS, Target, host
from glassconv.kernels.microkernel import derivation, matrix_product
from glassconv.kernels.microkernel.__main__ import is_right, main
from glassconv.kernels.microkernel.derivation import (
    RUNGS,
    Matrices,
    Rung,
    Sizes,
    blocks,
    budget,
    loop_nest,
)

needs_target = pytest.mark.skipif(
    host() is None, reason="no code is generated for this processor: no AVX2, AVX-512 or NEON"
)
each_rung = pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
TILED = [rung for rung in RUNGS if rung.is_tiled]


@needs_target
@each_rung
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_right_within_its_bound(rung: Rung, dtype: str) -> None:
    target = host()
    assert target is not None
    kernel, cut = compiled(rung.module(target, dtype), "run"), blocks(target, dtype)
    chance, kind = torch.Generator().manual_seed(0), getattr(torch, dtype)
    for m, n, k in ((1, 1, 1), (6, 16, 8), (13, 37, 300), (24, 300, 20), (5, 271, 513), (7, 9, 0)):
        a, b, before = (
            torch.randn(*shape, generator=chance, dtype=kind) for shape in ((m, k), (k, n), (m, n))
        )
        if dtype == "float64":  # small whole numbers, whose sums are exact
            a, b, before = (array.mul(4).round() for array in (a, b, before))
        c, packed = before.clone(), torch.full((cut.kc * cut.nc,), torch.nan, dtype=kind)
        arrays = Matrices(*(array.data_ptr() for array in (a, b, c, packed)))
        kernel.call(pack(Sizes(m, n, k)), pack(arrays), 1, 1)
        if dtype == "float64":
            assert torch.equal(c, a @ b + before), (m, n, k)
        else:
            assert is_right(a, b, before, c), (m, n, k)


def test_a_wrong_answer_is_noticed() -> None:
    a, b, before = torch.ones(2, 3), torch.ones(3, 4), torch.zeros(2, 4)
    assert is_right(a, b, before, a @ b)
    assert not is_right(a, b, before, a @ b + 1e-5)


def test_the_last_rung_is_production() -> None:
    assert vars(derivation)["product"] is matrix_product.product
    names = derivation.production.__code__.co_names
    assert "product" in names
    assert RUNGS[-1].write is derivation.production


@each_target
@pytest.mark.parametrize("rung", TILED, ids=lambda rung: rung.name)
def test_sums_stay_in_registers(rung: Rung, target: Target) -> None:
    module = rung.module(target, "float32")
    code = assembly(module.text, module.target)
    rows, vectors = rung.tile(target)
    hot = hot_loop(code, rung.hot_function(target))
    assert len(hot.totals) == hot.products == rows * vectors
    assert budget(rows, vectors) <= target.registers
    assert hot.registers <= target.registers
    assert spilling(code) == {}


def test_the_budget_of_avx2() -> None:
    rows, vectors = TARGETS["avx2"].tile()
    assert (rows, vectors, budget(rows, vectors)) == (6, 2, 15)


@each_target
def test_the_exercise_uses_eight_registers(target: Target) -> None:
    small = replace(target, registers=8)
    assert small.tile() == (2, 2)
    assert budget(2, 2) == 7
    module = RUNGS[-1].module(small, "float32")
    code = assembly(module.text, module.target)
    hot = hot_loop(code, RUNGS[-1].hot_function(small))
    assert hot.products == len(hot.totals) == 4
    assert hot.registers <= 8
    assert spilling(code) == {}


@each_rung
def test_its_loop_nest_has_the_sizes(rung: Rung) -> None:
    nest = loop_nest(rung, Sizes(m=384, n=1024, k=512), TARGETS["avx2"], "float32")
    assert any("384 rows" in line for line in nest)
    assert len(nest) >= 3


@needs_target
def test_the_program_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["microkernel", "--quick"])
    try:
        main()
    finally:
        torch.set_num_threads(threads)
    output = capsys.readouterr().out
    assert all(f"{place}  {rung.name}: " in output for place, rung in enumerate(RUNGS, start=1))
    assert "2·2 + 2 + 1 = 7 of 8 registers" in output
