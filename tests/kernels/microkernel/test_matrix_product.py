"""The product of matrices in memory, of any size, at any row distance, is NumPy's."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glassconv.codegen.ir import Code, Pointer, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.kernels.microkernel.matrix_product import COLUMNS, ROWS, product
from support.compile_function import call, this_machine, write
from support.guard_pages import guarded

SIZE = st.integers(0, 40)
SIDE = st.sampled_from(["before", "after"])


@cache
def compiled_product(dtype: str, bias: str) -> Compiled:
    def body(code: Code, *arguments: Pointer | Value) -> None:
        multiply = product(code.module, bias).function
        multiply.call(**dict(zip(multiply.parameters, arguments, strict=True)))

    return compiled(write(body, 4, 13, dtype), "run")


def panels(b: Tensor, width: int) -> Tensor:
    """Return [panel, k, width]: the columns of B side by side, zeros after the last."""
    wide = torch.nn.functional.pad(b, (0, -b.shape[1] % width))
    return wide.reshape(b.shape[0], -1, width).transpose(0, 1).contiguous()


@settings(max_examples=150)
@given(m=SIZE, n=st.integers(1, 70), k=st.integers(1, 20), segments=st.integers(1, 3),
       gap=st.integers(0, 3), side=SIDE, first=st.booleans(), bias=st.sampled_from([ROWS, COLUMNS]),
       dtype=st.sampled_from(["float32", "float64"]))  # fmt: skip
def test_it_is_numpys_and_touches_nothing_else(
    m: int, n: int, k: int, segments: int, gap: int, side: str, first: bool, bias: str, dtype: str
) -> None:
    kind = getattr(torch, dtype)
    chance = torch.Generator().manual_seed(m * 70 + n)

    def whole(*shape: int) -> Tensor:  # small whole numbers: every sum is exact
        return torch.randint(-3, 4, shape, generator=chance).to(kind)

    width = this_machine().tile()[1] * this_machine().lanes(dtype)
    a, b, before = whole(m, segments * k), whole(segments * k, n), whole(m, n)
    biases = whole(m if bias == ROWS else n)
    a_wide = torch.full((m, segments, k + gap), torch.nan, dtype=kind)
    a_wide[..., :k] = a.reshape(m, segments, k)
    c = torch.full((m, n + gap), 77, dtype=kind)
    c[:, :n] = torch.nan if first else before
    given_a, given_c = guarded(a_wide, side), guarded(c, side)
    given_b, given_bias = guarded(panels(b, width), side), guarded(biases, side)
    a_strides, b_strides = [segments * (k + gap), k + gap], [segments * k * width, width]
    numbers = [m, n, segments, k, *a_strides, *b_strides, n + gap, int(first), 0, 0, 0]
    call(compiled_product(dtype, bias), [given_a, given_b, given_c, given_bias], numbers)
    start = (biases[:, None] if bias == ROWS else biases[None, :]) if first else before
    np.testing.assert_array_equal(given_c[:, :n], a @ b + start)
    assert (given_c[:, n:] == 77).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_do_not_depend_on_the_tile_they_are_in(dtype: str) -> None:
    m, n, k = 23, 37, 200
    width = this_machine().tile()[1] * this_machine().lanes(dtype)
    chance = torch.Generator().manual_seed(0)
    a = torch.randn(1, k, generator=chance, dtype=getattr(torch, dtype)).expand(m, k).contiguous()
    b = torch.randn(k, 1, generator=chance, dtype=getattr(torch, dtype)).expand(k, n).contiguous()
    c, biases = torch.full((m, n), torch.nan, dtype=a.dtype), torch.ones(m, dtype=a.dtype)
    numbers = [m, n, 1, k, k, 0, k * width, width, n, 1, 0, 0, 0]
    call(compiled_product(dtype, ROWS), [a, panels(b, width), c, biases], numbers)
    assert (c == c[0, 0]).all()
