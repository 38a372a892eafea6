"""Filters of 1 × 1 kernels in panels: each is a column of its panel, and nothing else is read."""

from __future__ import annotations

from functools import cache

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassconv.codegen.ir import Code, Pointer, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.kernels.gemm_parts.pack import emit_pack
from support.compile_function import call, this_machine, write
from support.guard_pages import guarded


def panel_width(dtype: str) -> int:
    return this_machine().tile()[1] * this_machine().lanes(dtype)


@cache
def compiled_pack(dtype: str) -> Compiled:
    def body(code: Code, *arguments: Pointer | Value) -> None:
        pack = emit_pack(code.module, panel_width(dtype))
        pack.call(**dict(zip(pack.parameters, arguments, strict=True)))

    return compiled(write(body, 2, 4, dtype), "run")


@settings(max_examples=100)
@given(filters=st.integers(1, 70), k=st.integers(1, 40), gap=st.integers(0, 3),
       side=st.sampled_from(["before", "after"]),
       dtype=st.sampled_from(["float32", "float64"]))  # fmt: skip
def test_a_filter_is_a_column_of_its_panel(
    filters: int, k: int, gap: int, side: str, dtype: str
) -> None:
    width = panel_width(dtype)
    panels = -(-filters // width)
    numbers = torch.arange(filters * (k + gap), dtype=getattr(torch, dtype))
    weight = numbers.reshape(filters, k + gap)[:, :k]
    given_weight = guarded(weight, side)
    nan = torch.full((panels, k + gap, width), torch.nan, dtype=weight.dtype)
    packed = guarded(nan, side)
    sizes = [filters, k, k + gap, (k + gap) * width]
    call(compiled_pack(dtype), [given_weight, packed], sizes)
    columns = packed[:, :k].transpose(1, 2).reshape(panels * width, k)
    assert torch.equal(columns[:filters], weight)
