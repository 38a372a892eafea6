"""Convolution by Fourier transforms: its bound, what the proof assumes, blocks, NaN, growth."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import nan, prod, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassconv.algorithms import fft, fft_overlap_add, named
from glassconv.algorithms.parts import spectrum
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import gamma
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.reports.error_bound import sum_of_products_bound
from glassconv.reports.trace import Step
from glassconv.tracing.forward import trace
from glassconv.verification.definition import allowed_error, definition
from glassconv.verification.verify import verify, verify_each
from support.cases import CASES
from support.random_problems import problems
from support.references import literal, whole_numbers

NAMES = ["fft", "fft_overlap_add"]
NAME = pytest.mark.parametrize("name", NAMES)
FORMATS = ["float32", "float64"]


def errors(problem: ConvProblem, name: str, operands: Operands) -> np.ndarray:
    """Return |output − definition| of every element."""
    reference = definition(problem, operands).output
    output = named(name).run(problem, operands.input, operands.weight, operands.bias)
    return np.abs(to_numpy(output).astype(np.float64) - reference)


def promised(problem: ConvProblem, name: str, operands: Operands) -> np.ndarray:
    """Return the bound of every element; what is not finite promises nothing."""
    plain = definition(problem, operands).magnitude
    return allowed_error(problem, named(name).error_bound(problem), operands, plain)


# -- what the proof assumes of PyTorch's transforms ---------------------------------------------

LENGTHS = [*((2**power,) for power in range(13)), (4, 4), (32, 64), (64, 2), (8, 16, 4)]


def adversarial(lengths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Return planes that are random, flat, cancelling, or one bright pixel on a dim ground."""
    normal = torch.randn(lengths, generator=torch.Generator().manual_seed(0))
    signs = (-1.0) ** torch.arange(prod(lengths)).reshape(lengths)
    bright = normal.clone()
    bright.view(-1)[prod(lengths) // 3] = 1e6
    planes = {"normal": normal, "flat": torch.full(lengths, 0.1), "signs": 0.1 * signs}
    return {**planes, "bright": bright, "ramp": torch.arange(0.0, prod(lengths)).reshape(lengths)}


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_transforms_are_as_accurate_as_the_proof_assumes(lengths: tuple[int, ...]) -> None:
    epsilon = spectrum.transform_error(lengths, 2.0**-24)
    for plane in adversarial(lengths).values():
        exact = spectrum.spectrum(plane.double()[None], lengths)
        error = spectrum.spectrum(plane[None], lengths) - exact
        assert error.norm() <= epsilon * exact.norm()
        rounded = exact.to(torch.complex64)
        back = spectrum.correlation(rounded, lengths)
        error = back - spectrum.correlation(rounded.to(torch.complex128), lengths)
        whole = torch.fft.fftn(plane.double())
        assert error.abs().max() <= 2 * epsilon * whole.abs().mean()


# -- within the bound, whatever the numbers -------------------------------------------------------


@NAME
@pytest.mark.parametrize("format", FORMATS)
def test_a_bright_pixel_costs_accuracy_wherever_its_transform_reaches(
    name: str, format: str
) -> None:
    problem = parse(f"3x40x40 2@3x3 nobias {format}")
    operands = random_operands(problem)
    operands.input[0, 0, 2, 2] = 1e6
    assert verify(problem, name, operands).verdict
    far = errors(problem, name, operands)[..., 20:, 20:]
    plain = definition(problem, operands).magnitude
    plain_bound = sum_of_products_bound(problem.taps_per_output, problem.format)
    as_a_sum = allowed_error(problem, plain_bound, operands, plain)[..., 20:, 20:]
    # The whole plane's norm is in every output of `fft`; a block's only near the block.
    assert np.any(far > as_a_sum) if name == "fft" else np.all(far <= as_a_sum)


@NAME
@pytest.mark.parametrize("case", [name for name, each in CASES.items() if fft.supports(each)])
def test_whole_numbers_come_out_whole_when_rounded(name: str, case: str) -> None:
    problem = CASES[case]
    operands = whole_numbers(problem)
    output = named(name).run(problem, operands.input, operands.weight, operands.bias)
    np.testing.assert_array_equal(to_numpy(output).round(), literal(problem, operands))
    assert verify(problem, name, operands).verdict


@NAME
@pytest.mark.parametrize("format", FORMATS)
def test_cancelling_signs_stay_within_the_bound(name: str, format: str) -> None:
    problem = parse(f"2x3x33x30 2@4x4 p1 {format}")
    operands = random_operands(problem)
    signs = (-1.0) ** torch.arange(30)
    cancelling = Operands(
        (1000.1 * signs).expand(problem.input_shape).to(operands.input.dtype).clone(),
        torch.full_like(operands.weight, 0.1),
        operands.bias,
    )
    assert verify(problem, name, cancelling).verdict


@NAME
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("pixels", "weights"), [(1, -0.8), (-0.8, 1), (0.97, 0), (0.4, 0.6)])
def test_underflow_stays_within_the_bound(
    name: str, format: str, pixels: float, weights: float
) -> None:
    """Sizes are powers of the smallest normal number: products go down to it and below."""
    problem = parse(f"2x9x9 2@3x3 p1 nobias {format}")
    smallest = float(np.finfo(format).tiny)
    operands = random_operands(problem)
    operands.input.mul_(0.1 * smallest**pixels)
    operands.weight.mul_(0.1 * smallest**weights)
    assert verify(problem, name, operands).verdict


@NAME
@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_promised_where_a_spectrum_may_overflow(name: str, format: str) -> None:
    problem = parse(f"2x1x16x16 2@3x3 nobias {format}")
    operands = random_operands(problem)
    operands.input[0] = float(np.finfo(format).max) / 8  # representable, but their sum is not
    operands.weight.zero_()
    allowed = promised(problem, name, operands)
    assert not np.isfinite(allowed[0]).any()
    assert np.isfinite(allowed[1]).all()
    assert verify(problem, name, operands).verdict


# -- NaN and infinity ------------------------------------------------------------------------------


@NAME
@pytest.mark.parametrize("value", [nan, float("inf"), -float("inf")])
def test_what_is_not_finite_stays_where_nothing_is_promised(name: str, value: float) -> None:
    problem = parse("2x4x40x9 4@3x3 p1 g2")
    operands = random_operands(problem)
    operands.input[1, 0, 5, 4] = value
    assert verify(problem, name, operands).verdict
    allowed = promised(problem, name, operands)
    output = to_numpy(named(name).run(problem, operands.input, operands.weight, operands.bias))
    assert np.isfinite(output[np.isfinite(allowed)]).all()
    assert np.isfinite(allowed[0]).all(), "another image"
    assert np.isfinite(allowed[1, 2:]).all(), "another group"
    assert not np.isfinite(allowed[1, :2, 4:7, 3:6]).any(), "the windows that hold it"
    rows = np.isfinite(allowed[1, :2]).any(axis=(0, 2))
    block = fft_overlap_add._block_sizes(problem)[0]
    touched = 40 if name == "fft" else block  # the padded row 6 is in block 0
    assert rows.tolist() == [False] * touched + [True] * (40 - touched)


@NAME
def test_a_nan_in_a_filter_stays_in_that_filter(name: str) -> None:
    problem = parse("2x3x9x9 4@3x3")
    operands = random_operands(problem)
    operands.weight[1, 0, 0, 0] = nan
    assert verify(problem, name, operands).verdict
    allowed = promised(problem, name, operands)
    assert np.isfinite(allowed[:, [0, 2, 3]]).all()
    assert not np.isfinite(allowed[:, 1]).any()


# -- blocks ----------------------------------------------------------------------------------------


@pytest.mark.thorough
@given(problems(dtypes=["float64"]), st.integers(0, 9))
def test_blocks_cover_the_picture_once_and_windows_touch_two(
    problem: ConvProblem, seed: int
) -> None:
    steps = {step.name: step.array for step in trace_by(problem, seed)}
    padded, blocks = steps["padded"], steps["blocks"]
    rebuilt = np.zeros_like(padded)
    sizes, ndim = fft_overlap_add._block_sizes(problem), problem.ndim
    for place in product(*map(range, blocks.shape[2 : 2 + ndim])):
        block = blocks[(slice(None), slice(None), *place)]
        for number, axis in enumerate(problem.axes):
            front, block = np.split(block, [axis.extent - 1], axis=2 + number)
            assert not front.any()
        target = tuple(
            slice(q * size, (q + 1) * size) for q, size in zip(place, sizes, strict=True)
        )
        there = rebuilt[(..., *target)]
        there += block[tuple(map(slice, there.shape))]
    np.testing.assert_array_equal(rebuilt, padded)
    assert all(size >= axis.extent for size, axis in zip(sizes, problem.axes, strict=True))


def trace_by(problem: ConvProblem, seed: int) -> list[Step]:
    return list(trace(problem, "fft_overlap_add", seed=seed).steps)


def test_several_blocks_overlap_by_the_extent_less_one() -> None:
    problem = parse("1x100 1@5 d2 nobias float64")
    assert problem.receptive_field == (9,)
    steps = trace(problem, "fft_overlap_add")
    assert steps["blocks"].shape == (1, 1, 2, 64)  # 56 pixels each, after 8 zeros
    parts = steps["block correlations"][0, 0]
    full = steps["full correlation"][0, 0]
    np.testing.assert_array_equal(full[:56], parts[0, :56])
    np.testing.assert_array_equal(full[56:64], parts[0, 56:] + parts[1, :8])
    np.testing.assert_array_equal(full[64:], parts[1, 8:])


# -- what is refused, and what can be looked at ----------------------------------------------------


@NAME
def test_spectra_can_be_traced(name: str) -> None:
    traced = trace(parse("3x8x8 2@3x3"), name)
    assert traced["input spectrum"].dtype == np.complex64
    spectra = traced["input spectrum"], traced["filter spectrum"], traced["product spectrum"]
    x, w, y = (np.asarray(each).squeeze() for each in spectra)
    x, w = x.astype(np.complex128), w.astype(np.complex128)
    exact = np.einsum("c...,fc...->f...", x, w.conj())
    # A complex product is off by √2·γ₂, a sum of three by γ₂ more (Higham 2002, lemma 3.5).
    allowed = sqrt(2) * gamma(4, 2.0**-24) * np.einsum("c...,fc...->f...", abs(x), abs(w))
    assert (np.abs(y - exact) <= allowed).all()


def test_cost_is_counted_by_hand() -> None:
    problem = parse("1x3x6x6 4@3x3 nobias")
    cost = fft.cost(problem)
    transforms, points, frequencies = 3 + 12 + 4, 8 * 8, 8 * 5
    assert cost.multiplications == transforms * points * 6 + 4 * 12 * frequencies
    assert cost.additions == transforms * points * 9 + 4 * 12 * frequencies


# -- measured accuracy -----------------------------------------------------------------------------

MEASURED = [
    *("16x32x32 16@5x5", "64x28x28 64@3x3 p1", "3x64x64 8@11x11", "3x32x32 4@5x5"),
    *("1x28x28 6@5x5 p2", "64x56x56 64@1x1", "256x14x14 64@3x3 p1", "1x224x224 1@3x3 p1"),
    *("1x4096 1@64", "4x16x16x16 8@5x5x5"),
    *("1x1024x1024 1@1x1", "1x32x32x32 1@1x1x1", "2048x7x7 64@1x1"),
]


def growth(problem: ConvProblem) -> dict[str, float]:
    """Return rms errors ÷ im2col's over the same four seeds of normal data."""
    squares = dict.fromkeys((*NAMES, "im2col"), 0.0)
    for seed in range(4):
        for found in verify_each(problem, squares, random_operands(problem, seed)):
            squares[found.candidate] += found.rms_error**2
    return {name: sqrt(squares[name] / squares["im2col"]) for name in NAMES}


@pytest.mark.thorough
@pytest.mark.parametrize("text", MEASURED)
def test_growth_is_no_more_than_stated(text: str) -> None:
    problem = replace(parse(text), bias=False)
    for name, found in growth(problem).items():
        assert found <= named(name).error_bound(problem).rms_factor, name
