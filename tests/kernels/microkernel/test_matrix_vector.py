"""The product of a matrix and a vector, of any size, at any stride, is NumPy's."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glassconv.codegen.ir import Code, Pointer, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.kernels.microkernel.matrix_vector import emit_matrix_vector
from support.compile_function import call, this_machine, write
from support.guard_pages import guarded


@cache
def compiled_product(dtype: str) -> Compiled:
    def body(code: Code, *arguments: Pointer | Value) -> None:
        multiply = emit_matrix_vector(code.module)
        multiply.call(**dict(zip(multiply.parameters, arguments, strict=True)))

    return compiled(write(body, 5, 6, dtype), "run")


@settings(max_examples=150)
@given(m=st.integers(0, 40), k=st.integers(1, 40), gap=st.integers(0, 3), first=st.booleans(),
       stride=st.integers(1, 3), dtype=st.sampled_from(["float32", "float64"]),
       side=st.sampled_from(["before", "after"]))  # fmt: skip
def test_it_is_numpys_and_touches_nothing_else(
    m: int, k: int, gap: int, first: bool, stride: int, dtype: str, side: str
) -> None:
    kind = getattr(torch, dtype)
    chance = torch.Generator().manual_seed(m * 70 + k)

    def whole(*shape: int) -> Tensor:  # small whole numbers: every sum is exact
        return torch.randint(-3, 4, shape, generator=chance).to(kind)

    a, b, before, bias = whole(m, k), whole(k), whole(m), whole(m)
    a_wide = torch.full((m, k + gap), torch.nan, dtype=kind)
    a_wide[:, :k] = a
    b_wide = torch.full((k, stride), torch.nan, dtype=kind)
    b_wide[:, 0] = b
    c = torch.full((m, stride), 77, dtype=kind)
    c[:, 0] = torch.nan if first else before
    scratch = torch.full((k + this_machine().lanes(dtype),), torch.nan, dtype=kind)
    given_c, copy = guarded(c, side), guarded(scratch, side)
    arrays = [guarded(a_wide, side), guarded(b_wide, side), copy, given_c, guarded(bias, side)]
    call(compiled_product(dtype), arrays, [m, k, k + gap, stride, stride, int(first)])
    np.testing.assert_array_equal(given_c[:, 0], a @ b + (bias if first else before))
    assert (given_c[:, 1:] == 77).all()
