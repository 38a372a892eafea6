"""Overlapping blocks: what each output promises by its own window, and when `auto` takes them."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import glassconv
from glassconv.algorithms import fft_overlap_save, named
from glassconv.algorithms.parts.covered_windows import _window_sums
from glassconv.algorithms.parts.padding import pad
from glassconv.dispatch.select import choose
from glassconv.problem import ConvProblem
from glassconv.problem.operands import random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.tracing.forward import trace
from glassconv.verification.definition import definition
from glassconv.verification.verify import verify
from support.cases import CASES
from support.random_problems import problems
from support.references import literal, whole_numbers

NAME = "fft_overlap_save"
LONG = "1x192000 1@1024"
LONGER = "1x192000 1@8192"  # with vectors of any length plain sums take longer


def plain_sums(problem: ConvProblem, array: torch.Tensor) -> np.ndarray:
    """Return the sum of every window, all channels of a group, [batch, groups, *output_size]."""
    ones = torch.ones(problem.groups, *problem.weight_shape[1:], dtype=torch.float64)
    convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[problem.ndim - 1]
    padded = pad(problem, array.double())
    sums = convolve(padded, ones, None, problem.stride, 0, problem.dilation, problem.groups)
    return to_numpy(sums)


# -- within the bound by each output's own window --------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_within_its_bound(case: str) -> None:
    assert verify(CASES[case], NAME).verdict


@pytest.mark.parametrize("format", ["float32", "float64"])
@pytest.mark.parametrize("text", ["3x70x60 2@9x7 p2 nobias", "2x500 3@40 s3 d2 p9 nobias"])
def test_a_bright_pixel_costs_no_output_its_accuracy(text: str, format: str) -> None:
    problem = parse(f"{text} {format}")
    operands = random_operands(problem)
    operands.input.view(-1)[problem.input_size[-1] // 2 + 1] = 1e9
    assert verify(problem, NAME, operands).verdict
    bound = named(NAME).error_bound(problem)
    assert bound.local
    assert bound.window_factor <= 20
    output = named(NAME).run(problem, operands.input, operands.weight, None)
    error = np.abs(to_numpy(output).astype(np.float64) - definition(problem, operands).output)
    largest = operands.weight.abs().flatten(1).amax(1).double()
    sums = plain_sums(problem, operands.input.abs())
    per_group = to_numpy(largest).reshape(1, problem.groups, -1, *(1,) * problem.ndim)
    promised = bound.max_factor * (per_group * sums[:, :, None])
    assert (error <= promised.reshape(error.shape) * (1 + 1e-9)).all()


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_not_finite_stays_with_the_windows_that_hold_it(value: float) -> None:
    problem = parse("2x4x40x19 4@5x3 p1 g2")
    operands = random_operands(problem)
    operands.input[1, 0, 5, 4] = value
    output = named(NAME).run(problem, operands.input, operands.weight, operands.bias)
    held = ~np.isfinite(to_numpy(output))
    expected = np.zeros_like(held)
    expected[1, :2, 2:7, 3:6] = True  # padded, the pixel is at 6, 5
    np.testing.assert_array_equal(held, expected)


def test_a_filter_of_zeros_keeps_a_nan_with_its_windows() -> None:
    problem = parse("1x400 1@20 nobias")
    operands = random_operands(problem)
    operands.weight.zero_()
    operands.input[0, 0, 200] = nan
    output = to_numpy(named(NAME).run(problem, operands.input, operands.weight, None))
    assert np.isnan(output[0, 0, 181:201]).all()
    assert not output[0, 0, :181].any()
    assert not output[0, 0, 201:].any()


def test_a_silent_block_gives_the_bias_exactly() -> None:
    problem = parse("1x4000 2@33")
    operands = random_operands(problem)
    operands.input[..., 1000:3000] = 0
    output = named(NAME).run(problem, operands.input, operands.weight, operands.bias)
    assert operands.bias is not None
    silent = output[0, :, 1000 : 3000 - 32]
    assert torch.equal(silent, operands.bias[:, None].expand_as(silent))
    assert verify(problem, NAME, operands).verdict


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e-30, 1e30, 1e38])
def test_very_small_and_very_large_numbers_are_within_the_bound(scale: float) -> None:
    problem = parse("2x300 2@30 nobias")
    operands = random_operands(problem)
    for array in (operands.input, operands.weight):
        kept = array.clone()
        array.mul_(scale)
        assert verify(problem, NAME, operands).verdict
        array.copy_(kept)


@pytest.mark.thorough
@given(problems(dtypes=["float32", "float64"]), st.integers(0, 9))
def test_window_sums_are_lower_bounds(problem: ConvProblem, seed: int) -> None:
    operands = random_operands(problem, seed)
    sums = to_numpy(_window_sums(problem, pad(problem, operands.input)))
    true = plain_sums(problem, operands.input.abs())
    for number, axis in enumerate(problem.axes):
        cell = max(1, axis.kernel_size // 8) if axis.dilation == 1 else 1
        first = -(-np.arange(axis.output_size) * axis.stride // cell)
        sums = sums.take(first, axis=2 + number)
    assert (sums <= true).all()


# -- blocks ----------------------------------------------------------------------------------------


def test_neighbouring_blocks_overlap_by_the_extent_less_one() -> None:
    problem = parse("1x1000 1@5 d2 nobias float64")
    steps = trace(problem, NAME)
    blocks, padded = steps["blocks"][0, 0], steps["padded"][0, 0]
    count, length = blocks.shape
    size = length - 8
    assert count > 1
    np.testing.assert_array_equal(blocks[0], padded[:length])
    np.testing.assert_array_equal(blocks[1], padded[size : size + length])
    results = steps["block correlations"][0, 0]
    np.testing.assert_array_equal(steps["output"][0, 0], results[:, :size].ravel()[: 1000 - 8])


def test_the_cheapest_lengths_are_taken() -> None:
    """A filter nearly as long as the input has one block, a short one many."""
    assert fft_overlap_save._block_counts(parse("1x192000 1@96000")) == (1,)
    assert fft_overlap_save._block_counts(parse("1x192000 1@64"))[0] > 100


# -- chosen by auto --------------------------------------------------------------------------------


def test_auto_takes_it_for_long_filters_where_it_is_accurate_enough() -> None:
    assert choose(LONGER).algorithm == NAME
    assert choose(LONGER, accuracy="fast").algorithm == NAME
    assert choose(LONGER, accuracy="strict").algorithm != NAME
    assert choose("64x56x56 64@3x3 p1").algorithm != NAME
    assert choose("256x14x14 1024@1x1").algorithm != NAME
    assert choose("1x192000 1@3").algorithm != NAME


def test_whole_numbers_give_whole_numbers() -> None:
    problem = parse("1x4000 2@512")
    operands = whole_numbers(problem)
    output = glassconv.conv1d(operands.input, operands.weight, operands.bias, algorithm=NAME)
    np.testing.assert_array_equal(to_numpy(output), literal(problem, operands))


def test_gradients_and_transforms() -> None:
    problem = parse("2x60 3@20")
    operands = random_operands(problem)
    weight = operands.weight.clone().requires_grad_()
    output = glassconv.conv1d(operands.input, weight, operands.bias, algorithm=NAME)
    (gradient,) = torch.autograd.grad(output.sum(), weight)
    sums = operands.input.sum(0).unfold(1, 41, 1).sum(-1)
    torch.testing.assert_close(gradient, sums.expand_as(gradient))
    batch = torch.stack([operands.input, 2 * operands.input])
    outputs = torch.vmap(lambda x: glassconv.conv1d(x, operands.weight, algorithm=NAME))(batch)
    torch.testing.assert_close(outputs[1], 2 * outputs[0])
