"""Windows are laid out as im2col lays them, from any column of any picture, and no further."""

from __future__ import annotations

from functools import cache
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glassconv.codegen.ir import Code, Pointer, Value
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.struct import pack, read
from glassconv.kernels.microkernel.lowering import LoweringParameters, emit_im2col_nchw
from glassconv.kernels.microkernel.padded_row import emit_copy
from glassconv.problem.axis import Axis
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


@cache
def compiled_im2col(dtype: str) -> Compiled:
    def body(code: Code, image: Pointer, buffer: Pointer, words: Pointer, *numbers: Value) -> None:
        names = ("first_channel", "channels", "pixel", "pixels")
        emit_im2col_nchw(code.module).call(
            parameters=read(words, LoweringParameters[Value]),
            image=image,
            buffer=buffer,
            **dict(zip(names, numbers, strict=True)),
        )

    return compiled(write(body, 3, 4, dtype), "run")


AXIS = st.builds(
    Axis,
    input_size=st.integers(1, 20),
    kernel_size=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    dilation=st.integers(1, 3),
)


@settings(max_examples=300)
@given(rows=AXIS, columns=AXIS, data=st.data(), dtype=st.sampled_from(["float32", "float64"]),
       side=st.sampled_from(["before", "after"]))  # fmt: skip
def test_a_block_of_the_matrix_is_im2cols(
    rows: Axis, columns: Axis, data: st.DataObject, dtype: str, side: str
) -> None:
    if min(rows.output_size, columns.output_size) < 1:
        return
    all_pixels, lanes = rows.output_size * columns.output_size, this_machine().lanes(dtype)
    pixel = data.draw(st.integers(0, all_pixels - 1))
    pixels = data.draw(st.integers(1, all_pixels - pixel))
    first_channel, channels = data.draw(st.integers(0, 2)), data.draw(st.integers(1, 2))
    shape = (first_channel + channels, rows.input_size, columns.input_size)
    image = torch.arange(1.0, prod(shape) + 1).reshape(shape).to(getattr(torch, dtype))
    padded = torch.nn.functional.pad(image, (*columns.padding, *rows.padding))
    expected = torch.nn.functional.unfold(
        padded[None, first_channel:],
        (rows.kernel_size, columns.kernel_size),
        dilation=(rows.dilation, columns.dilation),
        stride=(rows.stride, columns.stride),
    )[0, :, pixel : pixel + pixels]
    parameters = LoweringParameters(
        channels=shape[0],
        input_height=rows.input_size,
        input_width=columns.input_size,
        kernel_height=rows.kernel_size,
        kernel_width=columns.kernel_size,
        output_width=columns.output_size,
        stride_h=rows.stride,
        stride_w=columns.stride,
        padding_h=rows.padding[0],
        padding_w=columns.padding[0],
        dilation_h=rows.dilation,
        dilation_w=columns.dilation,
        input_stride_c=rows.input_size * columns.input_size,
        input_stride_h=columns.input_size,
        input_stride_w=1,
        taps_per_segment=1,
        buffer_stride=pixels + lanes,
    )
    wide = torch.full((len(expected), pixels + lanes), torch.nan, dtype=image.dtype)
    buffer, source = guarded(wide, side), guarded(image, side)
    words = np.array(pack(parameters))
    call(
        compiled_im2col(dtype),
        [source, buffer, words],
        [first_channel, channels, pixel, pixels],
    )
    np.testing.assert_array_equal(buffer[:, :pixels], expected)
