"""Windows are laid out as im2col lays them, from any column of any picture, and no further."""

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
from glassconv.kernels.microkernel.lowering import emit_copy
from support.compile_function import call, this_machine, write
from support.guard_pages import guarded


@cache
def compiled_copy(dtype: str) -> Compiled:
    def body(
        code: Code,
        target: Pointer,
        source: Pointer,
        start: Value,
        step: Value,
        length: Value,
        low: Value,
        high: Value,
    ) -> None:
        emit_copy(code.module).call(
            dst=target, src=source + start, step=step, length=length, low=low, high=high
        )

    return compiled(write(body, 2, 5, dtype), "run")


def copied(source: Tensor, start: int, step: int, length: int, low: int, high: int) -> Tensor:
    """Return what the kernel copies into a buffer that was NaN, the room at its end cut off."""
    room = length + this_machine().lanes(str(source.dtype).removeprefix("torch."))
    target = guarded(torch.full((room,), torch.nan, dtype=source.dtype), "after")
    call(
        compiled_copy(str(source.dtype).removeprefix("torch.")),
        [target, source],
        [start, step, length, low, high],
    )
    return target[:length]


@settings(max_examples=400)
@given(step=st.integers(1, 5), length=st.integers(0, 50), low=st.integers(-3, 60),
       inside=st.integers(0, 60), dtype=st.sampled_from([torch.float32, torch.float64]),
       side=st.sampled_from(["before", "after"]))  # fmt: skip
def test_a_piece_is_what_lies_between_its_ends_and_zero_elsewhere(
    step: int, length: int, low: int, inside: int, dtype: torch.dtype, side: str
) -> None:
    first = max(low, 0)
    high = low + inside
    read = max(min(high, length) - first, 0)  # elements that exist; the page begins right there
    source = guarded(torch.arange(1, max((read - 1) * step + 1, 1) + 1, dtype=dtype), side)
    expected = np.zeros(length)
    expected[first : first + read] = source[::step][:read]
    found = copied(source, -first * step, step, length, low, high)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("far", [2**31 - 1, 2**31, 2**32 - 2, 2**32, 2**40])
def test_ends_that_32_bits_cannot_hold(step: int, far: int) -> None:
    source = guarded(torch.ones(100), "after")
    assert (copied(source, 0, step, 20, far, far + 20) == 0).all()
    assert (copied(source, 0, step, 20, -far - 20, -far) == 0).all()
    assert (copied(source, 0, step, 20, -far, far) == 1).all()
    assert (copied(source, 0, step, 20, 0, 0) == 0).all()
