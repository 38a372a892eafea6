"""Panels: every element is in its place, whatever the weight's strides."""

from __future__ import annotations

from math import ceil, prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import pad

from glassconv.codegen.analysis.assembly import spilling
from glassconv.codegen.jit import assembly
from glassconv.codegen.target import named
from glassconv.dispatch.compiled_call import FlippedPacking
from glassconv.kernels import kernel_named
from glassconv.kernels.runtime import panels as implementation
from glassconv.kernels.runtime.panels import Rows, build_module, filters_of, packing_of
from glassconv.problem.memory_layout import NHWC, contiguous
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import flip
from support.compile_function import this_machine
from support.guard_pages import SIDES, guarded

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
ORDERS = {  # of the axes in memory, from the outermost
    "contiguous": (0, 1, 2, 3),
    "channels last": (0, 2, 3, 1),
    "transposed": (1, 0, 2, 3),
    "filters last": (1, 2, 3, 0),
    "taps exchanged": (0, 1, 3, 2),
}


def weight_of(shape: tuple[int, ...], order: str, dtype: str) -> Tensor:
    generator = torch.Generator().manual_seed(prod(shape))
    weight = torch.randn(shape, generator=generator, dtype=getattr(torch, dtype))
    axes = ORDERS[order]
    back = tuple(axes.index(axis) for axis in range(4))
    return weight.permute(axes).contiguous().permute(back)


def packed(weight: Tensor, groups: int, width: int, *, taps_first: bool, side: str) -> Tensor:
    """Return a weight packed by compiled code between guard pages, as [group, panel, k, width]."""
    filters, channels, *kernel_size = weight.shape
    panels, taps = ceil(filters // groups / width), prod(kernel_size)
    rows = Rows(panels, width, channels, 1) if taps_first else Rows(panels, width, 1, taps)
    packing = packing_of(filters_of(tuple(weight.shape), weight.stride(), groups), rows)
    result = torch.full((groups, panels, channels * taps, width), torch.nan, dtype=weight.dtype)
    assert packing.elements == result.numel()
    beside = guarded(result, side)
    dtype = str(weight.dtype).removeprefix("torch.")
    given = guarded(weight, side)
    packing.pack(given.data_ptr(), beside.data_ptr(), dtype, this_machine())
    return beside


def defined(weight: Tensor, groups: int, width: int, *, taps_first: bool) -> Tensor:
    """Return what `packed` should, as array operations."""
    elements = weight.movedim(1, -1) if taps_first else weight
    by_group = elements.reshape(groups, weight.shape[0] // groups, -1)
    whole = pad(by_group, (0, 0, 0, -by_group.shape[1] % width))
    return whole.reshape(groups, -1, width, whole.shape[2]).transpose(2, 3)


@DTYPES
@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 40),
    st.integers(1, 40),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(SIDES),
)
def test_each_element_is_in_its_row_and_panel(
    dtype: str,
    order: str,
    groups: int,
    filters: int,
    channels: int,
    kernel_size: tuple[int, int],
    vectors: int,
    taps_first: bool,
    side: str,
) -> None:
    weight = weight_of((groups * filters, channels, *kernel_size), order, dtype)
    width = vectors * this_machine().lanes(dtype)
    found = packed(weight, groups, width, taps_first=taps_first, side=side)
    assert torch.equal(found, defined(weight, groups, width, taps_first=taps_first))


@DTYPES
def test_a_weight_with_gaps_and_a_repeated_one(dtype: str) -> None:
    width = this_machine().lanes(dtype)
    apart = torch.full((12, 7, 3, 3, 2), torch.nan, dtype=getattr(torch, dtype))
    apart[..., 0] = torch.randn(12, 7, 3, 3)
    for weight in (apart[..., 0], apart[:1, ..., 0].expand(12, 7, 3, 3)):
        found = packed(weight, 2, width, taps_first=True, side="after")
        assert torch.equal(found, defined(weight, 2, width, taps_first=True))


def test_a_sequence_has_one_axis_of_taps() -> None:
    weight, width = torch.randn(9, 5, 7), this_machine().lanes("float32")
    found = packed(weight, 1, width, taps_first=True, side="after")
    assert torch.equal(found, defined(weight, 1, width, taps_first=True))


def test_panels_past_the_last_filter_are_zeros() -> None:
    weight, lanes = torch.randn(3, 2, 1, 1), this_machine().lanes("float32")
    packing = packing_of(filters_of((3, 2, 1, 1), weight.stride(), 1), Rows(3, lanes, 2, 1))
    result = torch.full((3, 2, lanes), torch.nan)
    packing.pack(weight.data_ptr(), result.data_ptr(), "float32", this_machine())
    assert torch.equal(result[0], defined(weight, 1, lanes, taps_first=True)[0, 0])
    assert not result[1:].any()


@pytest.mark.parametrize("team", [1, 2, 4])
def test_it_does_not_depend_on_the_threads(team: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implementation, "threads", lambda: team)
    weight = torch.randn(130, 70, 3, 3)
    width = 2 * this_machine().lanes("float32")
    found = packed(weight, 1, width, taps_first=True, side="after")
    assert torch.equal(found, defined(weight, 1, width, taps_first=True))


@DTYPES
@pytest.mark.parametrize("are_adjacent", [False, True])
@pytest.mark.parametrize("target", ["avx2", "avx512", "neon"])
def test_it_spills_nothing(target: str, are_adjacent: bool, dtype: str) -> None:
    module = build_module(dtype, named(target), are_adjacent=are_adjacent)
    assert spilling(assembly(module.text, named(target))) == {}


@DTYPES
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", ["implicit_gemm", "winograd4"])
def test_the_weight_of_a_transposed_convolution_is_flipped_as_it_is_packed(
    kernel: str, groups: int, order: str, dtype: str
) -> None:
    problem = parse(f"10x9x9 6@3x3 g{groups} {dtype}")
    pack = kernel_named(kernel).plan(problem, contiguous(problem, NHWC)).pack
    assert pack is not None
    assert isinstance(pack, FlippedPacking)
    flipped = pack.flipped()
    weight = weight_of((10, 6 // groups, 3, 3), order, dtype)
    one, other = (torch.zeros(flipped.elements, dtype=weight.dtype) for _ in range(2))
    flipped(weight, one)
    pack(flip(weight, groups), other)
    assert torch.equal(one, other)
