"""U is the exact transform within its bound; the other parts are what parameters.py says."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import pad

from glassconv.algorithms.parts.winograd_bound import error_of_filters
from glassconv.algorithms.parts.winograd_flatness import flatness
from glassconv.algorithms.parts.winograd_scale import filter_scales
from glassconv.algorithms.parts.winograd_transforms import absolute, transform
from glassconv.codegen.analysis.assembly import spilling
from glassconv.codegen.jit import assembly
from glassconv.codegen.target import named
from glassconv.kernels.winograd_parts import filter_transform, packing
from glassconv.kernels.winograd_parts.filter_transform import build_module
from glassconv.kernels.winograd_parts.packing import WinogradPacking
from glassconv.mathematics.cook_toom import cook_toom
from glassconv.mathematics.decomposed import decomposed
from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse
from support.compile_function import this_machine
from support.guard_pages import SIDES, guarded

OUTPUTS = pytest.mark.parametrize("outputs", [2, 4])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def packing_for(problem: ConvProblem, outputs: int) -> WinogradPacking:
    return packing.packing(problem, outputs, this_machine())


def drawn(problem: ConvProblem, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    dtype = getattr(torch, problem.dtype)
    return torch.randn(problem.weight_shape, generator=generator, dtype=dtype)


def parts(pack: WinogradPacking, packed: Tensor) -> list[Tensor]:
    """Return U [out_channels, channels, element], the filters, the slack, its limit and `undo`."""
    problem, width, channels = pack.problem, pack._transform.width, pack.problem.weight_shape[1]
    u, filters, slack, most, undo = torch.split(packed, pack._parts)
    by_panel = u.view(problem.groups, pack._transform.elements, -1, channels, width)
    by_filter = by_panel.permute(0, 2, 4, 3, 1).flatten(1, 2)
    assert not by_filter[:, problem.gemm.m :].any()
    u = by_filter[:, : problem.gemm.m].flatten(0, 1)
    return [u, filters, slack.view(pack._transform.elements, -1), most, undo]


def within_the_error_of_filters(
    problem: ConvProblem, outputs: int, weight: Tensor, u: Tensor
) -> bool:
    """Return whether U is G g Gᵀ, off by float64's error and one rounding, in exact fractions.

    g: the weight, scaled.
    """
    weight = weight.double() * filter_scales(weight, problem.format)
    matrix = np.array(cook_toom(outputs, 3).filter, dtype=object)
    sizes = np.array(absolute(cook_toom(outputs, 3).filter), dtype=object)
    exact_weight = np.vectorize(Fraction, otypes=[object])(weight.double().numpy())
    found = np.vectorize(Fraction, otypes=[object])(u.double().numpy())
    exact = (matrix @ exact_weight @ matrix.T).reshape(found.shape)
    size = (sizes @ abs(exact_weight) @ sizes.T).reshape(found.shape)
    off = Fraction(error_of_filters(problem)) * size
    rounding = Fraction(problem.format.unit_roundoff) * (abs(exact) + off)
    return bool((abs(found - exact) <= off + rounding + Fraction(problem.format.tiny)).all())


@OUTPUTS
@DTYPES
@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 2),
    st.integers(1, 19),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from(SIDES),
    st.integers(-40, 37),
)
def test_u_is_the_transformed_filters(
    outputs: int,
    dtype: str,
    groups: int,
    filters: int,
    channels: int,
    channels_last: bool,
    side: str,
    exponent: int,
) -> None:
    problem = parse(
        f"{groups * channels}x5x5 {groups * filters}@3x3 g{groups}"
        + (" float64" if dtype == "float64" else "")
    )
    weight = drawn(problem, seed=exponent) * 10.0**exponent
    given_weight = weight.to(memory_format=torch.channels_last) if channels_last else weight
    pack = packing_for(problem, outputs)
    memory = guarded(torch.full((pack.elements,), torch.nan, dtype=weight.dtype), side)
    packed = pack(guarded(given_weight, side), memory)
    assert packed.data_ptr() == memory.data_ptr()
    u, *_ = parts(pack, packed)
    assert within_the_error_of_filters(problem, outputs, weight, u)


@OUTPUTS
@DTYPES
@pytest.mark.parametrize("text", ["20x5x5 33@3x3", "6x5x5 8@3x3 g2", "1x5x5 1@3x3"])
def test_the_other_parts(outputs: int, dtype: str, text: str) -> None:
    problem = parse(text + (" float64" if dtype == "float64" else ""))
    weight, pack = drawn(problem), packing_for(problem, outputs)
    u, filters, slack, most, undo = parts(pack, pack(weight))
    lanes, groups = this_machine().lanes(dtype), problem.groups
    by_tap = pad(weight.view(groups, problem.gemm.m, -1), (0, 0, 0, -problem.gemm.m % lanes))
    vectors = by_tap.view(groups, -1, lanes, by_tap.shape[2]).transpose(2, 3)
    found = filters.view(groups, -1, by_tap.shape[2], lanes)
    assert torch.equal(found[:, : vectors.shape[1]], vectors)
    assert not found[:, vectors.shape[1] :].any()
    test = flatness(problem, outputs, weight, u)
    torch.testing.assert_close(slack[:, : outputs**2], test.slack.T.to(weight.dtype))
    assert not slack[:, outputs**2 :].any()
    torch.testing.assert_close(most, test.most.to(weight.dtype)[None], rtol=1e-6, atol=0)
    by_group = undo.view(groups, -1)
    assert (by_group[:, : problem.gemm.m] == problem.format.unit_roundoff).all()
    assert not by_group[:, problem.gemm.m :].any()


@OUTPUTS
@DTYPES
def test_small_filters_are_scaled(outputs: int, dtype: str) -> None:
    problem = parse(f"6x5x5 8@3x3 g2 {dtype}")
    weight, pack = drawn(problem), packing_for(problem, outputs)
    small = weight.clone()
    weight[[1, 6]] *= 2.0**12 * problem.format.tiny
    small[[1, 6]] = weight[[1, 6]] / problem.format.unit_roundoff**2
    u, filters, slack, _, undo = parts(pack, pack(weight))
    expected = parts(pack, pack(small))
    for found, other in zip((u, slack), (expected[0], expected[2]), strict=True):
        assert torch.equal(found, other)
    assert not torch.equal(filters, expected[1])
    unit = problem.format.unit_roundoff
    by_filter = undo.view(2, -1)[:, :4].flatten().tolist()
    assert by_filter == [unit**3 if filter in (1, 6) else unit for filter in range(8)]


@OUTPUTS
@DTYPES
@pytest.mark.parametrize("value", [torch.nan, -torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [0, 4, 8, -1])
def test_no_tile_is_flat_for_a_weight_that_is_not_finite(
    outputs: int, dtype: str, value: float, place: int
) -> None:
    problem = parse("7x5x5 19@3x3" + (" float64" if dtype == "float64" else ""))
    weight, pack = drawn(problem), packing_for(problem, outputs)
    weight.view(-1)[place] = value
    _, _, _, most, _ = parts(pack, pack(weight))
    assert most < 0


@OUTPUTS
def test_the_largest_numbers_are_those_of_u_and_of_the_weight(outputs: int) -> None:
    problem = parse("37x5x5 21@3x3")
    weight, pack = drawn(problem), packing_for(problem, outputs)
    u, filters, *_ = torch.split(pack(weight), pack._parts)
    found = pack._transform(filters.data_ptr(), u.data_ptr())
    by_filter = torch.from_numpy(found[0, :21])
    transformed, *_ = parts(pack, pack(weight))
    assert torch.equal(by_filter[:, :-1], transformed.double().abs().amax(1))
    assert torch.equal(by_filter[:, -1], weight.double().abs().flatten(1).amax(1))


def test_problems_of_other_inputs_have_the_same_packing() -> None:
    one, other = parse("8x9x9 16@3x3 p1"), parse("3x8x20x31 16@3x3 p0 nobias")
    assert packing_for(one, 4) == packing_for(other, 4)
    assert packing_for(one, 4) != packing_for(one, 2)
    assert packing_for(one, 4) != packing_for(parse("8x9x9 16@3x3 p1 g2"), 4)


def test_with_stride_the_transformed_filters_are_those_of_the_pieces() -> None:
    problem = parse("64x5x5 64@3x3 s2")
    weight, pack = drawn(problem), packing_for(problem, 2)
    matrix = decomposed(2, 3, 2).filter
    readable = transform([matrix, matrix], weight.double()).float().flatten(2)
    u, *_ = parts(pack, pack(weight))
    torch.testing.assert_close(u, readable, rtol=2**-23, atol=1e-12)


@pytest.mark.parametrize("team", [1, 2, 4])
def test_it_does_not_depend_on_the_threads(team: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = parse("40x5x5 90@3x3")
    weight, pack = drawn(problem), packing_for(problem, 4)
    expected = pack(weight)
    monkeypatch.setattr(filter_transform, "threads", lambda: team)
    assert torch.equal(pack(weight), expected)


def test_the_readable_transform_differs_by_a_rounding_at_most() -> None:
    problem = parse("64x5x5 64@3x3")
    weight, pack = drawn(problem), packing_for(problem, 4)
    matrix = cook_toom(4, 3).filter
    readable = transform([matrix, matrix], weight.double()).float().flatten(2)
    u, *_ = parts(pack, pack(weight))
    assert (u != readable).double().mean() < 1e-4  # only next to the middle of two numbers
    torch.testing.assert_close(u, readable, rtol=2**-23, atol=1e-12)


@pytest.mark.parametrize(("outputs", "stride"), [(2, 1), (4, 1), (2, 2)])
@DTYPES
@pytest.mark.parametrize("target", ["avx2", "avx512", "neon"])
def test_it_spills_nothing(target: str, dtype: str, outputs: int, stride: int) -> None:
    code = assembly(build_module(outputs, stride, dtype, named(target)).text, named(target))
    assert spilling(code) == {}


def test_the_packed_elements_are_counted_without_packing() -> None:
    for text in ("20x5x5 33@3x3", "6x5x5 8@3x3 g2"):
        problem = parse(text)
        pack = packing_for(problem, 4)
        lanes = this_machine().lanes("float32")
        width = 2 * lanes
        padded = problem.groups * ceil(problem.gemm.m / width) * width
        numbers = padded * problem.weight_shape[1]
        assert pack.elements == numbers * (36 + 9) + 36 * ceil(16 / lanes) * lanes + 1 + padded
        assert pack(drawn(problem)).numel() == pack.elements
